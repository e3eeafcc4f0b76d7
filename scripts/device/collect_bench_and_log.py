#!/usr/bin/env python3
"""Benches a server again and again, and logs the machine's state beside each."""

from edgeproof.child import child_main
from edgeproof.client.collect import main

if __name__ == "__main__":
    child_main(main)
