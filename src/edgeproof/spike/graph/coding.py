"""From a sample to a value per time step, as ``semantics.InputCoding`` says: float32, the time axis first."""

from __future__ import annotations

import numpy as np

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.primitives import Array
from edgeproof.spike.graph.semantics import InputCoding

__all__ = ["encode"]

F = np.float32


def encode(sample: Array, coding: InputCoding, timesteps: int) -> Array:
    """A sample as the input of ``timesteps`` steps.

    - ``constant``: the sample at every step.
    - ``rate``: a spike where a number drawn from [0, 1) is below the value; PCG64 of ``coding.seed``, one number for
      each value of each step, in that order.
    - ``latency``: one spike at step ``round((1 - value) · (timesteps - 1))``, halves to even; none where a value is not
      above ``coding.threshold``.
    - ``delta``: the sample is a sequence [timesteps, ...]; a spike where it has risen by ``coding.threshold`` or more
      since the step before, counted from zero.
    - ``events``: the sample is a sequence [timesteps, ...] and stays as it is.

    Raises:
        SpikeGraphError: the sample is not of the shape or in the range that the coding needs.
    """
    values = np.asarray(sample)
    if timesteps < 1 or not np.all(np.isfinite(values)):
        raise SpikeGraphError(f"{timesteps} time steps of finite values are to be coded; expected one or more of such")
    if coding.kind in ("delta", "events"):
        if values.ndim < 1 or len(values) != timesteps:
            raise SpikeGraphError(
                f"the coding {coding.kind} is given {values.shape}; expected {timesteps} time steps as the first axis"
            )
        if coding.kind == "events":
            return values.astype(F)
        risen = np.diff(values.astype(F), axis=0, prepend=np.zeros((1, *values.shape[1:]), F))
        return (risen >= F(coding.threshold) if coding.threshold > 0 else risen > 0).astype(F)
    if coding.kind == "constant":
        return np.repeat(values.astype(F)[None], timesteps, axis=0)
    if values.size and (values.min() < 0 or values.max() > 1):
        raise SpikeGraphError(
            f"the coding {coding.kind} is given values from {values.min():g} to {values.max():g}; expected 0 to 1"
        )
    if coding.kind == "rate":
        drawn = np.random.Generator(np.random.PCG64(coding.seed)).random((timesteps, *values.shape))
        return (drawn < values).astype(F)
    when = np.rint((1.0 - values.astype(np.float64)) * (timesteps - 1))
    first = np.arange(timesteps).reshape(-1, *(1,) * values.ndim)
    spikes: Array = (first == when) & (values > coding.threshold)
    return spikes.astype(F)
