"""Elementwise, of one tensor: the output has the input's shape, and its dtype where nothing else is said."""

from __future__ import annotations

import numpy as np

from edgeproof.mil.registry import op
from edgeproof.mil.values import Array

__all__: list[str] = []


@op("abs")
def absolute(x: Array) -> Array:
    """``|x|``."""
    return np.abs(x)


@op("identity", moves=True)
def identity(x: Array) -> Array:
    """``x``."""
    return x
