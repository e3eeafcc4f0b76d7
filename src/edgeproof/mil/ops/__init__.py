"""What the operations compute: one file a family, one pure function an operation and version."""
