"""What devices measured, as their documents."""
