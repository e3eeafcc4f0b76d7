"""The five phases: each reads and writes documents of the run, and nothing else. What several share stands in rooms inside."""
