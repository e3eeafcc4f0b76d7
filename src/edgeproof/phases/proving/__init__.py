"""The parts of phase 2: cold starts, the steady state and what is driven besides, and how it is written down."""
