#!/usr/bin/env python3
"""Draws raw latency files: their distribution, and the calls in order."""

from edgeproof.measure.drawing import main
from edgeproof.process import child_main

if __name__ == "__main__":
    child_main(main)
