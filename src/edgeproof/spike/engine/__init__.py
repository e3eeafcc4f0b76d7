"""C from a program."""
