#!/usr/bin/env python3
"""Draws raw latency files: their distribution, and the calls in order."""

from edgeproof.child import child_main
from edgeproof.measure.drawing import main

if __name__ == "__main__":
    child_main(main)
