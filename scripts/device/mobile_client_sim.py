#!/usr/bin/env python3
"""The mobile-client simulator: one client, one keep-alive connection, every latency kept."""

import sys

from edgeproof.client.simulator import main

if __name__ == "__main__":
    sys.exit(main())
