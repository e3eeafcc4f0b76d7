"""Sums of products, in the precision of what is summed.

In float32 they are torch's. In float16 every partial sum is rounded to float16, one term after the other, each product
and its sum rounded once (a fused multiply-add): the least exact way that hardware computes in, and a definite one. What
differs between the two depends on the order and precision of accumulation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.values import Array

__all__ = ["matmul", "total"]


def matmul(a: Array, b: Array) -> Array:
    """``a @ b``, (..., m, k) by (..., k, n), leading dimensions broadcast."""
    if a.dtype != np.float16:
        return array(torch.matmul(tensor(a), tensor(b)))
    left, right = tensor(a).float(), tensor(b).float()
    rows = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    result = torch.zeros(*rows, a.shape[-2], b.shape[-1])
    for k in range(a.shape[-1]):
        result = result.addcmul_(left[..., :, k, None], right[..., None, k, :]).half().float()
    return array(result.half())


def total(x: Array, axes: Sequence[int], *, keepdims: bool) -> Array:
    """The sum over axes, in the dtype of ``x``."""
    axes = tuple(axis % x.ndim for axis in axes)
    if x.dtype != np.float16:
        return np.asarray(x.sum(axis=axes, keepdims=keepdims, dtype=x.dtype))
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    terms = np.transpose(x, [*axes, *kept]).reshape(-1, *(x.shape[axis] for axis in kept)).astype(np.float32)
    result = np.zeros(terms.shape[1:], np.float32)
    for term in terms:
        result = (result + term).astype(np.float16).astype(np.float32)
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)] if keepdims else result.shape
    return result.reshape(shape).astype(np.float16)
