"""Values brought to a common scale. Sums of float16 are taken in float16.

Scales and offsets may have another dtype than ``x``, whose dtype counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels import sums
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array

__all__ = ["batch_norm", "instance_norm", "l2_norm", "layer_norm", "local_response_norm"]


def _channels(given: Array, x: Array, name: str) -> Array:
    """One number per channel, in the dtype of ``x``."""
    if given.shape != x.shape[1:2]:
        raise ArtifactError(f"its {name} has the shape {list(given.shape)}; expected {list(x.shape[1:2])}")
    return given.astype(x.dtype, copy=False)


def _scaled(x: Array, gamma: Array | None, beta: Array | None, shape: Sequence[int]) -> Array:
    if gamma is not None:
        x = x * gamma.reshape(shape)
    return x if beta is None else x + beta.reshape(shape)


def _standard(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    """Mean 0 and variance 1 over axes, with every step rounded to float16."""
    count = np.float32(math.prod(x.shape[axis] for axis in axes))

    def mean(values: Array) -> Array:
        return (sums.total(values, axes, keepdims=True).astype(np.float32) / count).astype(x.dtype)

    centred = x - mean(x)
    return np.asarray(centred / np.sqrt(mean(np.square(centred)) + x.dtype.type(epsilon)))


@op("batch_norm")
def batch_norm(
    x: Array,
    mean: Array,
    variance: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    epsilon: float = 1e-5,
) -> Array:
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` of each channel; ``x`` (n, channels, *size)."""
    if x.ndim < 2:
        raise ArtifactError(f"x has the shape {list(x.shape)}; expected (n, channels, *size)")
    centre, spread = _channels(mean, x, "mean"), _channels(variance, x, "variance")
    gamma = None if gamma is None else _channels(gamma, x, "gamma")
    beta = None if beta is None else _channels(beta, x, "beta")
    if x.dtype == np.float32:
        scale, offset = None if gamma is None else tensor(gamma), None if beta is None else tensor(beta)
        return array(
            functional.batch_norm(tensor(x), tensor(centre), tensor(spread), scale, offset, False, 0.0, epsilon)
        )
    shape = (-1, *(1,) * (x.ndim - 2))
    root = np.sqrt(spread + x.dtype.type(epsilon)).reshape(shape)
    return _scaled((x - centre.reshape(shape)) / root, gamma, beta, shape)


@op("instance_norm")
def instance_norm(x: Array, gamma: Array | None = None, beta: Array | None = None, epsilon: float = 1e-5) -> Array:
    """Each channel of each image with mean 0 and variance 1, times ``gamma`` plus ``beta``: (n, channels, *size)."""
    if x.ndim < 3:
        raise ArtifactError(f"x has the shape {list(x.shape)}; expected (n, channels, *size)")
    gamma = None if gamma is None else _channels(gamma, x, "gamma")
    beta = None if beta is None else _channels(beta, x, "beta")
    if x.dtype == np.float32:
        result = array(functional.layer_norm(tensor(x), x.shape[2:], eps=epsilon))
    else:
        result = _standard(x, tuple(range(2, x.ndim)), epsilon)
    return _scaled(result, gamma, beta, (-1, *(1,) * (x.ndim - 2)))


@op("layer_norm")
def layer_norm(
    x: Array,
    axes: tuple[int, ...] | None = None,
    gamma: Array | None = None,
    beta: Array | None = None,
    epsilon: float = 1e-5,
) -> Array:
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` over ``axes``, by default all.

    ``gamma`` and ``beta`` have the sizes of ``axes``, in the order of ``x``; the variance is that of the population.
    """
    if axes is not None and not all(-x.ndim <= axis < x.ndim for axis in axes):
        raise ArtifactError(f"its axes are {list(axes)}, outside of {x.ndim} dimensions")
    over = tuple(range(x.ndim)) if axes is None else tuple(sorted({axis % x.ndim for axis in axes}))
    sizes = tuple(x.shape[axis] for axis in over)
    for name, parameter in (("gamma", gamma), ("beta", beta)):
        if parameter is not None and parameter.shape != sizes:
            raise ArtifactError(f"its {name} has the shape {list(parameter.shape)}; expected {list(sizes)}")
    gamma = None if gamma is None else gamma.astype(x.dtype, copy=False)
    beta = None if beta is None else beta.astype(x.dtype, copy=False)
    if x.dtype == np.float16 or not over:
        shape = [size if axis in over else 1 for axis, size in enumerate(x.shape)]
        return _scaled(_standard(x, over, epsilon), gamma, beta, shape)
    kept = tuple(axis for axis in range(x.ndim) if axis not in over)
    order = kept + over
    moved = order != tuple(range(x.ndim))
    given = tensor(x).permute(order) if moved else tensor(x)
    scale, offset = None if gamma is None else tensor(gamma), None if beta is None else tensor(beta)
    result = functional.layer_norm(given, sizes, scale, offset, epsilon)
    return array(result.permute(tuple(np.argsort(order).tolist())) if moved else result)


@op("l2_norm")
def l2_norm(x: Array, epsilon: float = 1e-6) -> Array:
    """``x / sqrt(sum(x^2) + epsilon)``, the sum over the last three dimensions."""
    if x.ndim < 3:
        raise ArtifactError(f"x has the shape {list(x.shape)}; expected three dimensions or more")
    total = sums.total(np.square(x), (-3, -2, -1), keepdims=True)
    return np.asarray(x / np.sqrt(total + x.dtype.type(epsilon)))


@op("local_response_norm")
def local_response_norm(x: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """``x / (k + alpha / size * sum(x^2))^beta``, the sum over ``size`` neighbouring channels: (n, channels, *size).

    ``size // 2`` of them stand before the channel; those that do not exist count as 0.
    """
    if x.ndim < 3 or size < 1:
        raise ArtifactError(
            f"{size} neighbours in the shape {list(x.shape)}; expected 1 or more in (n, channels, *size)"
        )
    squares, total, count = np.square(x), np.zeros_like(x), x.shape[1]
    for away in range(max(-(size // 2), 1 - count), min((size - 1) // 2, count - 1) + 1):
        total[:, max(0, -away) : count - max(0, away)] += squares[:, max(0, away) : count + min(0, away)]
    kind = x.dtype.type
    root = tensor(kind(k) + kind(alpha / size) * total).pow(beta)
    return array(torch.div(tensor(x), root))
