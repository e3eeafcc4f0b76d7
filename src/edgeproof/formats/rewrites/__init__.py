"""What converters need changed in the exported program: a file a family of operators; each change is proved."""
