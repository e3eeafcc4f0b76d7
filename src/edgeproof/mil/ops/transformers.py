"""Attention. Sums of float16 are taken in float16."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels import sums
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.kernels.half import rounded_once
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = ["scaled_dot_product_attention"]


def _softmax(x: Array) -> Array:
    """Over the last dimension."""
    if x.dtype == np.float32:
        return array(torch.softmax(tensor(x), -1))
    power = rounded_once(np.exp, x - x.max(axis=-1, keepdims=True))
    return np.asarray(power / sums.total(power, (-1,), keepdims=True))


@op("scaled_dot_product_attention", "iOS18")
def scaled_dot_product_attention(
    query: Array, key: Array, value: Array, budget: Budget, attn_mask: Array | None = None
) -> Array:
    """``softmax(query @ key.T / sqrt(E) + attn_mask) @ value``.

    ``query`` (..., L, E), ``key`` (..., S, E), ``value`` (..., S, EV), the dimensions before them alike; gives
    (..., L, EV). ``attn_mask`` is broadcast to (..., L, S): added, or of bool what takes part. A row of which nothing
    takes part is NaN.
    """
    shapes = query.shape, key.shape, value.shape
    if (
        query.ndim < 3
        or not query.ndim == key.ndim == value.ndim
        or not query.shape[:-2] == key.shape[:-2] == value.shape[:-2]
        or query.shape[-1] != key.shape[-1]
        or key.shape[-2] != value.shape[-2]
    ):
        raise ArtifactError(f"query, key and value {[list(shape) for shape in shapes]} do not fit")
    if attn_mask is None and query.dtype == np.float32:
        return array(functional.scaled_dot_product_attention(tensor(query), tensor(key), tensor(value)))
    scores = (*query.shape[:-1], key.shape[-2])
    budget.room(scores, query.itemsize)
    result = sums.matmul(query, key.swapaxes(-1, -2))
    result /= result.dtype.type(math.sqrt(query.shape[-1]))
    if attn_mask is not None:
        try:
            if attn_mask.dtype == np.bool_:
                np.copyto(result, -np.inf, where=~attn_mask)
            else:
                result += attn_mask.astype(result.dtype, copy=False)
        except ValueError:
            raise ArtifactError(f"attn_mask {list(attn_mask.shape)} does not fit scores {list(scores)}") from None
    return sums.matmul(_softmax(result), value)
