"""What a converter's failure means to the user: which operator, at which line of the model, and what to do."""
