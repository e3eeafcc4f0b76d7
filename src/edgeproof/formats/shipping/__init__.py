"""What ships beside an artifact: a table a format, and this machine's own files where they are installed."""
