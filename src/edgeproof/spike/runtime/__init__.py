"""A compiled engine, opened: it needs neither torch nor numpy."""
