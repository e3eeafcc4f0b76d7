"""Orders: which elements come first. Of equal ones it is the one that stands first; NaN is greater than all numbers."""

from __future__ import annotations

import numpy as np
import torch

from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.values import Array

__all__ = ["best", "order"]

FEW, MANY = 8, 1024
"""From ``MANY`` elements on, not more than one in ``FEW`` of them is looked for without sorting all."""


def order(x: Array, *, ascending: bool) -> Array:
    """Places of the elements along the last axis, sorted by value: int64."""
    if ascending:
        return np.argsort(x, axis=-1, kind="stable")
    return np.flip(x.shape[-1] - 1 - np.argsort(np.flip(x, -1), axis=-1, kind="stable"), -1)


def best(x: Array, count: int, *, ascending: bool) -> Array:
    """Places of the first ``count`` elements in that order along the last axis: int64."""
    size = x.shape[-1]
    if size >= MANY and 0 < count * FEW <= size and x.dtype in (np.float32, np.int32):
        found = array(torch.topk(tensor(x), count, dim=-1, largest=not ascending, sorted=True).indices)
        found = np.sort(found, axis=-1)
        values = np.take_along_axis(x, found, -1)
        last = (values.max if ascending else values.min)(axis=-1, keepdims=True)
        if np.array_equal((x == last).sum(axis=-1), (values == last).sum(axis=-1)) and not np.isnan(last).any():
            return np.take_along_axis(found, order(values, ascending=ascending), -1)
    return order(x, ascending=ascending)[..., :count]
