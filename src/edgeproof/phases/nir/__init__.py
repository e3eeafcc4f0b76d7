"""A model as a NIR graph in a file, and the proof that it computes what the model does."""
