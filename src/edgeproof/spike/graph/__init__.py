"""Networks as graphs of NIR: what a step means, and the reference that computes it."""
