"""``emulated:raspberrypi4``: a board whose programs are emulated on this machine, reached over SSH as a real one is.

It gives outputs, and never a latency or power.
"""
