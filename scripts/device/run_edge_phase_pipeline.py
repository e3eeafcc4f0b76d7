#!/usr/bin/env python3
"""All five phases on a model, ending in a verdict: the same as `edgeproof run`."""

import sys

from edgeproof.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
