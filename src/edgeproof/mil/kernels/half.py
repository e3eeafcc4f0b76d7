"""Between float16 and float32: numpy converts element by element, torch by vectors; a call of it pays from some on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.values import Array

__all__ = ["narrow", "rounded_once", "widen"]

FEW = 256


def widen(x: Array) -> Array:
    """float16 as float32, exactly."""
    return x.astype(np.float32) if x.size < FEW else array(tensor(x).float())


def narrow(x: Array) -> Array:
    """float32 rounded to float16, to nearest even."""
    return x.astype(np.float16) if x.size < FEW else array(tensor(x).half())


def rounded_once(function: Callable[[Array], Array], x: Array) -> Array:
    """A function of each element, for float16 computed in float32: numpy has kernels of its own for processors that
    compute in half precision, which are wrong by up to four units in the last place."""
    return narrow(function(widen(x))) if x.dtype == np.float16 else function(x)
