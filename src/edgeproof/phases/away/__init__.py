"""Results of devices that no program of ours reaches: what is sent by a script, what came back, what was measured by hand."""
