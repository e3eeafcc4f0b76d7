#!/usr/bin/env python3
"""Draws representative samples into rep_samples/, or into --out: the same as `edgeproof samples`."""

import sys

from edgeproof.cli import main

if __name__ == "__main__":
    main(["samples", "--out", "rep_samples", *sys.argv[1:]])
