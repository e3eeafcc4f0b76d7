"""A model with several samples a call."""
