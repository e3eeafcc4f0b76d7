"""Power in a run: a trace joined to what a device measured, and the energy of a call made of both."""
