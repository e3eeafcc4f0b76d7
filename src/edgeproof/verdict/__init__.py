"""The evidence of a run held against a policy: figures, limits, the decision. Pure; reads and writes no file."""
