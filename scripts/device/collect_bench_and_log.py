#!/usr/bin/env python3
"""Benches a server again and again, and logs the machine's state beside each."""

from edgeproof.client.collect import main
from edgeproof.process import child_main

if __name__ == "__main__":
    child_main(main)
