"""What a network does in a call: spikes, operations, membrane updates, and an estimate of their energy."""
