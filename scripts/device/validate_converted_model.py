#!/usr/bin/env python3
"""Runs artifacts and holds their outputs against the model: the same as `edgeproof validate`."""

import sys

from edgeproof.cli import main

if __name__ == "__main__":
    main(["validate", *sys.argv[1:]])
