"""The edge server: one session behind the Open Inference Protocol."""
