"""What a model's task is scored by, and how sure a difference of two scores is. Knows no formats, runs or files."""
