"""Which operators of an artifact its runtime's fast part takes, one file a runtime."""
