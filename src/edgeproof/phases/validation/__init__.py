"""Outputs held against the eager model's."""
