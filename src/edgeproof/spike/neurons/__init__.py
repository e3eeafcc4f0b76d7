"""Neuron models as pure functions ``step(input, state, params, ops) -> (output, state)``, one family a file."""
