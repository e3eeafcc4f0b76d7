"""Compilers for this machine and others: what they make of generated C, and what that takes of a target's memory."""
