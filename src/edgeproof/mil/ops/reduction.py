"""Along axes: they go, or stay with the size 1 (``keep_dims``). Without ``axes`` all of them are reduced.

Of int32 every result is int32: what is computed of it in floating point loses its fraction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.half import rounded_once
from edgeproof.mil.kernels.integers import integer_of
from edgeproof.mil.kernels.sums import total
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array

__all__ = [
    "reduce_argmax",
    "reduce_argmax_ios17",
    "reduce_argmin",
    "reduce_argmin_ios17",
    "reduce_l1_norm",
    "reduce_l2_norm",
    "reduce_log_sum",
    "reduce_log_sum_exp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
    "reduce_sum_square",
]

INDICES: dict[str, np.dtype[Any]] = {"int32": np.dtype(np.int32), "uint16": np.dtype(np.uint16)}


def _axes(x: Array, axes: Sequence[int] | None) -> tuple[int, ...]:
    if axes is None:
        return tuple(range(x.ndim))
    if any(not -x.ndim <= axis < x.ndim for axis in axes):
        raise ArtifactError(f"its axes are {list(axes)}; x has {x.ndim} dimensions")
    return tuple(axis % x.ndim for axis in axes)


def _exact(x: Array) -> Array:
    """Integers in float64, in which their sums and logarithms have room; the rest as it is."""
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def _like(result: Array, x: Array) -> Array:
    return result if x.dtype.kind == "f" else integer_of(result, x.dtype)


def _as_index(places: Array, dtype: str) -> Array:
    if dtype.lower() not in INDICES:
        raise ArtifactError(f"the output_dtype {dtype!r} is not known; expected int32 or uint16")
    return np.asarray(places, INDICES[dtype.lower()])


@op("reduce_argmax")
def reduce_argmax(x: Array, axis: int = -1, keep_dims: bool = False) -> Array:
    """Where along ``axis`` the maximum stands, the first of several: int32."""
    return _as_index(np.argmax(x, axis=axis, keepdims=keep_dims), "int32")


@op("reduce_argmax", "iOS17")
def reduce_argmax_ios17(x: Array, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Array:
    """``reduce_argmax`` as ``int32`` or ``uint16``."""
    return _as_index(np.argmax(x, axis=axis, keepdims=keep_dims), output_dtype)


@op("reduce_argmin")
def reduce_argmin(x: Array, axis: int = -1, keep_dims: bool = False) -> Array:
    """Where along ``axis`` the minimum stands, the first of several: int32."""
    return _as_index(np.argmin(x, axis=axis, keepdims=keep_dims), "int32")


@op("reduce_argmin", "iOS17")
def reduce_argmin_ios17(x: Array, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Array:
    """``reduce_argmin`` as ``int32`` or ``uint16``."""
    return _as_index(np.argmin(x, axis=axis, keepdims=keep_dims), output_dtype)


@op("reduce_l1_norm")
def reduce_l1_norm(x: Array, axes: tuple[int, ...] | None = None, keep_dims: bool = False) -> Array:
    """The sum of ``|x|``."""
    return total(np.abs(x), _axes(x, axes), keepdims=keep_dims)


@op("reduce_l2_norm")
def reduce_l2_norm(x: Array, axes: tuple[int, ...] | None = None, keep_dims: bool = False) -> Array:
    """The square root of the sum of ``x^2``."""
    return _like(np.sqrt(total(np.square(_exact(x)), _axes(x, axes), keepdims=keep_dims)), x)


@op("reduce_log_sum")
def reduce_log_sum(x: Array, axes: tuple[int, ...] | None = None, keep_dims: bool = False) -> Array:
    """The natural logarithm of the sum."""
    return _like(rounded_once(np.log, total(_exact(x), _axes(x, axes), keepdims=keep_dims)), x)


@op("reduce_log_sum_exp")
def reduce_log_sum_exp(x: Array, axes: tuple[int, ...] | None = None, keep_dims: bool = False) -> Array:
    """The natural logarithm of the sum of ``e^x``; computed of ``x`` less its maximum, that nothing overflows."""
    over = _axes(x, axes)
    terms = _exact(x)
    most = np.max(terms, axis=over, keepdims=True)
    most = np.where(np.isfinite(most), most, most.dtype.type(0))
    result = rounded_once(np.log, total(rounded_once(np.exp, np.asarray(terms - most)), over, keepdims=keep_dims))
    return _like(result + most.reshape(np.shape(result)), x)


@op("reduce_max")
def reduce_max(x: Array, axes: tuple[int, ...] | None = None, keep_dims: bool = False) -> Array:
    """The maximum; NaN where there is one."""
    return np.asarray(np.max(x, axis=_axes(x, axes), keepdims=keep_dims))


@op("reduce_mean")
def reduce_mean(x: Array, axes: tuple[int, ...] | None = None, keep_dims: bool = False) -> Array:
    """The sum over the number of elements."""
    over = _axes(x, axes)
    count = math.prod(x.shape[axis] for axis in over)
    return _like(total(_exact(x), over, keepdims=keep_dims) / count, x)


@op("reduce_min")
def reduce_min(x: Array, axes: tuple[int, ...] | None = None, keep_dims: bool = False) -> Array:
    """The minimum; NaN where there is one."""
    return np.asarray(np.min(x, axis=_axes(x, axes), keepdims=keep_dims))


@op("reduce_prod")
def reduce_prod(x: Array, axes: tuple[int, ...] | None = None, keep_dims: bool = False) -> Array:
    """The product; int32 keeps its low bits."""
    return np.asarray(np.prod(x, axis=_axes(x, axes), keepdims=keep_dims, dtype=x.dtype))


@op("reduce_sum")
def reduce_sum(x: Array, axes: tuple[int, ...] | None = None, keep_dims: bool = False) -> Array:
    """The sum; int32 keeps its low bits."""
    return total(x, _axes(x, axes), keepdims=keep_dims)


@op("reduce_sum_square")
def reduce_sum_square(x: Array, axes: tuple[int, ...] | None = None, keep_dims: bool = False) -> Array:
    """The sum of ``x^2``."""
    return total(np.square(x), _axes(x, axes), keepdims=keep_dims)
