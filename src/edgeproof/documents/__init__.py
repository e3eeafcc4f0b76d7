"""The run's documents: typed, versioned JSON, one file a phase."""
