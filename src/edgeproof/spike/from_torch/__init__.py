"""A program from an exported step of PyTorch."""
