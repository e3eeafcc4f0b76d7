#!/usr/bin/env python3
"""The mobile-client simulator: one client, one keep-alive connection, every latency kept."""

from edgeproof.client.simulator import main
from edgeproof.process import child_main

if __name__ == "__main__":
    child_main(main)
