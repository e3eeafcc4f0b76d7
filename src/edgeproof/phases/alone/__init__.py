"""Phase 1 and 3 by themselves, without a run folder: samples, conversion, validation."""
