"""Graphs in files, and networks as graphs."""
