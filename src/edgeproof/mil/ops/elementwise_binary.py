"""Elementwise, of two tensors of one dtype, broadcast as numpy does; comparisons and logic give bool."""

from __future__ import annotations

import numpy as np
import torch

from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.kernels.integers import integer_of
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = [
    "add",
    "equal",
    "floor_div",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "mul",
    "not_equal",
    "power",
    "real_div",
    "sub",
]


def _ask_room(x: Array, y: Array, budget: Budget) -> None:
    """Broadcasting makes an array as large as both together at most: mostly that alone is small enough."""
    if x.size * y.size * x.itemsize > budget.limits.bytes:
        budget.room(np.broadcast_shapes(x.shape, y.shape), x.itemsize)


@op("add")
def add(x: Array, y: Array, budget: Budget) -> Array:
    """``x + y``."""
    _ask_room(x, y, budget)
    return np.add(x, y)


@op("sub")
def sub(x: Array, y: Array, budget: Budget) -> Array:
    """``x - y``."""
    _ask_room(x, y, budget)
    return np.subtract(x, y)


@op("mul")
def mul(x: Array, y: Array, budget: Budget) -> Array:
    """``x * y``."""
    _ask_room(x, y, budget)
    return np.multiply(x, y)


@op("real_div")
def real_div(x: Array, y: Array, budget: Budget) -> Array:
    """``x / y``; of int32 the whole part of it, towards zero."""
    _ask_room(x, y, budget)
    if x.dtype.kind == "f":
        return np.divide(x, y)
    return integer_of(np.divide(x, y, dtype=np.float64), x.dtype)


@op("floor_div")
def floor_div(x: Array, y: Array, budget: Budget) -> Array:
    """``floor(x / y)``; of int32 divided by 0 it is 0."""
    _ask_room(x, y, budget)
    if x.dtype.kind == "f":
        return array(torch.floor_divide(tensor(x), tensor(y)))
    return np.floor_divide(x, y)


@op("mod")
def mod(x: Array, y: Array, budget: Budget) -> Array:
    """``x - y * floor(x / y)``, of the sign of ``y``; of int32 and 0 it is 0."""
    _ask_room(x, y, budget)
    if x.dtype.kind == "f":
        return array(torch.remainder(tensor(x), tensor(y)))
    return np.mod(x, y)


@op("pow")
def power(x: Array, y: Array, budget: Budget) -> Array:
    """``x^y``; NaN for a fraction's power of a negative. Of int32 the whole part, for ``y`` below 0 too."""
    _ask_room(x, y, budget)
    if x.dtype.kind == "f":
        return array(torch.pow(tensor(x), tensor(y) if y.ndim else float(y)))
    if not (y < 0).any():
        return np.power(x, y)
    fraction = integer_of(np.power(x.astype(np.float64), y), x.dtype)
    return np.where(y < 0, fraction, np.power(x, np.maximum(y, 0)))


@op("maximum")
def maximum(x: Array, y: Array, budget: Budget) -> Array:
    """The greater of both; NaN where one is."""
    _ask_room(x, y, budget)
    return np.maximum(x, y)


@op("minimum")
def minimum(x: Array, y: Array, budget: Budget) -> Array:
    """The lesser of both; NaN where one is."""
    _ask_room(x, y, budget)
    return np.minimum(x, y)


@op("equal")
def equal(x: Array, y: Array, budget: Budget) -> Array:
    """``x == y``."""
    _ask_room(x, y, budget)
    return np.equal(x, y)


@op("not_equal")
def not_equal(x: Array, y: Array, budget: Budget) -> Array:
    """``x != y``."""
    _ask_room(x, y, budget)
    return np.not_equal(x, y)


@op("greater")
def greater(x: Array, y: Array, budget: Budget) -> Array:
    """``x > y``."""
    _ask_room(x, y, budget)
    return np.greater(x, y)


@op("greater_equal")
def greater_equal(x: Array, y: Array, budget: Budget) -> Array:
    """``x >= y``."""
    _ask_room(x, y, budget)
    return np.greater_equal(x, y)


@op("less")
def less(x: Array, y: Array, budget: Budget) -> Array:
    """``x < y``."""
    _ask_room(x, y, budget)
    return np.less(x, y)


@op("less_equal")
def less_equal(x: Array, y: Array, budget: Budget) -> Array:
    """``x <= y``."""
    _ask_room(x, y, budget)
    return np.less_equal(x, y)


@op("logical_and")
def logical_and(x: Array, y: Array, budget: Budget) -> Array:
    """Whether both are true."""
    _ask_room(x, y, budget)
    return np.logical_and(x, y)


@op("logical_or")
def logical_or(x: Array, y: Array, budget: Budget) -> Array:
    """Whether one is true, or both."""
    _ask_room(x, y, budget)
    return np.logical_or(x, y)


@op("logical_xor")
def logical_xor(x: Array, y: Array, budget: Budget) -> Array:
    """Whether just one is true."""
    _ask_room(x, y, budget)
    return np.logical_xor(x, y)
