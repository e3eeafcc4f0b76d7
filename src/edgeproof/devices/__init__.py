"""Devices: transports to where the runner runs, and the measurement of candidates there."""
