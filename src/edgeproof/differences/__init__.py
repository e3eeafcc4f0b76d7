"""How far a candidate's outputs are from the eager model's, and the task score. Judges nothing."""
