"""Floating point to whole numbers, the same on every machine: numpy leaves what does not fit to the processor."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeproof.mil.values import Array

__all__ = ["integer_of"]

EDGE = 2.0**31
LOWEST, HIGHEST = np.iinfo(np.int32).min, np.iinfo(np.int32).max


def integer_of(x: Array, dtype: np.dtype[Any]) -> Array:
    """Cut the fraction off.

    What int32 cannot hold becomes its nearest end, and NaN becomes 0, as on ARM; narrower dtypes then keep its lowest
    bits.
    """
    x = np.asarray(x)
    with np.errstate(invalid="ignore"):
        whole = x.astype(np.int32)
        if x.size and not (x.min() >= -EDGE and x.max() < EDGE):
            whole = np.where(np.isnan(x), 0, np.where(x >= EDGE, HIGHEST, np.where(x < -EDGE, LOWEST, whole)))
    return whole.astype(dtype)
