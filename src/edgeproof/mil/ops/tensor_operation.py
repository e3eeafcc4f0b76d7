"""Tensors made, joined, cut and repeated."""

from __future__ import annotations

import math

import numpy as np
import torch

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.kernels.indices import axis_of
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = [
    "band_part",
    "concat",
    "cumsum",
    "fill",
    "fill_like",
    "flatten2d",
    "non_zero",
    "one_hot",
    "range_1d",
    "shape",
    "split",
    "stack",
    "tile",
]

ZERO = np.zeros((), np.float32)
NOTHING, ONE = np.zeros((), np.int32), np.ones((), np.int32)


@op("fill", moves=True)
def fill(shape: tuple[int, ...], budget: Budget, value: Array = ZERO) -> Array:
    """``value`` everywhere, in its dtype."""
    budget.room(shape, value.itemsize)
    return np.full(shape, value)


@op("fill_like", "iOS16", moves=True)
def fill_like(ref_tensor: Array, value: Array = ZERO) -> Array:
    """``value`` everywhere, in its dtype and the shape of ``ref_tensor``."""
    return np.full(ref_tensor.shape, value)


@op("shape", moves=True)
def shape(x: Array) -> Array:
    """The sizes of the dimensions, int32."""
    return np.array(x.shape, np.int32)


@op("range_1d")
def range_1d(start: Array, end: Array, step: Array, budget: Budget) -> Array:
    """``start``, ``start + step``, ... as far as it is before ``end``: ``ceil((end - start) / step)`` numbers."""
    if step == 0:
        raise ArtifactError("the step is 0")
    span = (end - start) / step
    if not np.isfinite(span):
        raise ArtifactError(f"there is no range from {start} to {end} in steps of {step}")
    count = max(0, math.ceil(span))
    budget.room((count,), 8)
    wide = np.dtype(np.float32) if start.dtype.kind == "f" else np.dtype(np.int64)
    numbers: Array = np.arange(count).astype(wide) * step.astype(wide) + start.astype(wide)
    return numbers.astype(start.dtype, copy=False)


@op("concat", moves=True)
def concat(values: tuple[Array, ...], axis: int, budget: Budget, interleave: bool = False) -> Array:
    """The values one behind the other along ``axis``; scalars become a vector.

    With ``interleave`` they have one shape, and their elements along ``axis`` take turns.
    """
    budget.room((sum(value.size for value in values),), values[0].itemsize)
    if not values[0].ndim:
        values = tuple(value.reshape(1) for value in values)
    if not interleave:
        return np.concatenate(values, axis)
    axis = axis_of(axis, values[0].ndim)
    sizes = values[0].shape
    return np.stack(values, axis + 1).reshape(*sizes[:axis], sizes[axis] * len(values), *sizes[axis + 1 :])


@op("stack", moves=True)
def stack(values: tuple[Array, ...], axis: int, budget: Budget) -> Array:
    """The values, of one shape, along a new dimension ``axis``."""
    budget.room((len(values), *values[0].shape), values[0].itemsize)
    return np.stack(values, axis)


@op("split", moves=True)
def split(
    x: Array, axis: int, num_splits: int | None = None, split_sizes: tuple[int, ...] | None = None
) -> tuple[Array, ...]:
    """``x`` cut along ``axis``: into ``num_splits`` equal parts, or parts of ``split_sizes``, which add up to it."""
    axis = axis_of(axis, x.ndim)
    size = x.shape[axis]
    if split_sizes is None:
        if not num_splits or num_splits < 0 or size % num_splits:
            raise ArtifactError(f"{size} elements cannot be cut into {num_splits} equal parts")
        split_sizes = (size // num_splits,) * num_splits
    if sum(split_sizes) != size or min(split_sizes, default=0) < 0:
        raise ArtifactError(f"{size} elements cannot be cut into {list(split_sizes)}")
    ends = np.cumsum(split_sizes).tolist()
    lead = (slice(None),) * axis
    return tuple(x[(*lead, slice(end - length, end))] for end, length in zip(ends, split_sizes, strict=True))


@op("tile", moves=True)
def tile(x: Array, reps: tuple[int, ...], budget: Budget) -> Array:
    """``x`` repeated ``reps[i]`` times along dimension ``i``; 0 times leaves nothing of it."""
    if len(reps) != x.ndim or min(reps, default=0) < 0:
        raise ArtifactError(f"a tensor {list(x.shape)} cannot be repeated {list(reps)} times")
    budget.room(tuple(size * times for size, times in zip(x.shape, reps, strict=True)), x.itemsize)
    return np.tile(x, reps)


@op("flatten2d", moves=True)
def flatten2d(x: Array, axis: int = 1) -> Array:
    """A matrix: the dimensions before ``axis`` become its rows, the others its columns."""
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@op("band_part", moves=True)
def band_part(x: Array, lower: int = -1, upper: int = -1) -> Array:
    """The innermost matrices with 0 outside a band: ``lower`` diagonals below the main one, ``upper`` above it.

    A negative number keeps all of that side.
    """
    if x.ndim < 2:
        raise ArtifactError(f"a tensor {list(x.shape)} has no matrices")
    ahead = np.arange(x.shape[-1]) - np.arange(x.shape[-2])[:, None]
    kept = np.ones(ahead.shape, np.bool_)
    if lower >= 0:
        kept &= -ahead <= lower
    if upper >= 0:
        kept &= ahead <= upper
    return np.where(kept, x, x.dtype.type(0))


@op("cumsum")
def cumsum(x: Array, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Array:
    """The sum of all elements up to each one along ``axis``; in fp16 rounded after each.

    ``exclusive`` leaves the element itself out; ``reverse`` sums from the end.
    """
    axis = axis_of(axis, x.ndim)
    if reverse:
        x = np.flip(x, axis).copy()
    if x.dtype == np.float16:
        sums = np.cumsum(x, axis, dtype=x.dtype)
    else:
        given = tensor(x)
        sums = array(torch.cumsum(given, axis, dtype=given.dtype))
    if exclusive:
        lead = (slice(None),) * axis
        before = np.zeros_like(sums)
        before[(*lead, slice(1, None))] = sums[(*lead, slice(None, -1))]
        sums = before
    return np.flip(sums, axis) if reverse else sums


@op("non_zero", moves=True)
def non_zero(x: Array, budget: Budget) -> Array:
    """The places of the elements that are not 0, in row-major order: int32, shape (elements, rank)."""
    budget.room((x.size, max(x.ndim, 1)), 8)
    return np.argwhere(x).astype(np.int32)


@op("one_hot", moves=True)
def one_hot(
    indices: Array,
    one_hot_vector_size: int,
    budget: Budget,
    axis: int = -1,
    on_value: Array = ONE,
    off_value: Array = NOTHING,
) -> Array:
    """``on_value`` where a place along the new dimension ``axis`` is the index, ``off_value`` elsewhere.

    An index outside ``one_hot_vector_size`` gives ``off_value`` only.
    """
    axis = axis_of(axis, indices.ndim + 1)
    budget.room((*indices.shape, one_hot_vector_size), on_value.itemsize)
    places = np.arange(one_hot_vector_size).reshape(-1, *[1] * (indices.ndim - axis))
    return np.where(np.expand_dims(indices, axis) == places, on_value, off_value)
