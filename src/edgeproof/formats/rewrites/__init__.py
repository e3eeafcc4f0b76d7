"""Rewrites of the exported program that work round a converter's failures; each is checked against the original."""
