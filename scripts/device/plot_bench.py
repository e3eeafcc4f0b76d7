#!/usr/bin/env python3
"""Draws raw latency files: their distribution, and the calls in order."""

import sys

from edgeproof.measure.drawing import main

if __name__ == "__main__":
    sys.exit(main())
