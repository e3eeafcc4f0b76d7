"""Spiking networks: the graph, what it computes, NIR in and out, and the engine that runs it on a device."""
