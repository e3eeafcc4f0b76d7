"""Between float16 and float32: numpy converts element by element, torch by vectors; a call of it pays from some on."""

from __future__ import annotations

import numpy as np

from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.values import Array

__all__ = ["narrow", "widen"]

FEW = 256


def widen(x: Array) -> Array:
    """float16 as float32, exactly."""
    return x.astype(np.float32) if x.size < FEW else array(tensor(x).float())


def narrow(x: Array) -> Array:
    """float32 rounded to float16, to nearest even."""
    return x.astype(np.float16) if x.size < FEW else array(tensor(x).half())
