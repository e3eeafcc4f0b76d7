"""Formats: one file each, found through entry points; the workers that convert; sessions over artifacts."""
