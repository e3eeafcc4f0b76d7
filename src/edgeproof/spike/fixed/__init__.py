"""The engine in whole numbers: int8 weights and int32 membranes."""
