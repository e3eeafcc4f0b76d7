"""The five phases: each reads and writes documents of the run, and nothing else. What they share stands in rooms."""
