"""Core ML programs, run anywhere: an ``.mlpackage`` is read, checked and interpreted without Apple's frameworks.

This is *the MIL reference check*: what the program in the package says, computed step by step. It finds faults of
conversion, weight storage, layout and quantisation; it says nothing of Apple's own kernels or the Neural Engine.
"""
