#!/usr/bin/env python3
"""The edge server: the same as `edgeproof serve`."""

import sys

from edgeproof.cli import main

if __name__ == "__main__":
    main(["serve", *sys.argv[1:]])
