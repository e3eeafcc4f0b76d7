"""Where the operators of artifacts run: of a run's candidates, and of artifacts alone."""
