"""EdgeProof proves a PyTorch model, spiking or dense, on the edge before it ships."""

__version__ = "0.1.0"
