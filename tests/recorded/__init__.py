"""Finished runs as documents, and what the commands made of them: bytes that a change of the house must not move.

``python -m tests.recorded`` writes what is expected anew. Do that only for a change that a user is meant to notice, and
read the difference line by line.
"""
