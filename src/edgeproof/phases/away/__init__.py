"""Devices that no program of ours reaches: what a script sends and brings back, what was measured by hand."""
