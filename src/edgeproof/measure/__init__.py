"""Measuring: the timing loop, statistics, the machine, processes, soaks."""
