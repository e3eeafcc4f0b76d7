"""The program of a package as data: types, operations, blocks; and the model's own inputs and outputs."""
