#!/usr/bin/env python3
"""The mobile-client simulator: one client, one keep-alive connection, every latency kept."""

from edgeproof.child import child_main
from edgeproof.client.simulator import main

if __name__ == "__main__":
    child_main(main)
