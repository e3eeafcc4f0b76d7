"""Which candidates are made, and how one becomes a result."""
