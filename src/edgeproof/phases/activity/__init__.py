"""What a spiking network does on samples: counted, with and without a run."""
