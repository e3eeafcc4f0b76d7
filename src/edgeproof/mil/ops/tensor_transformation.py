"""The same elements in another shape or order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = [
    "expand_dims",
    "reshape",
    "reshape_ios17",
    "reshape_like",
    "reverse",
    "reverse_sequence",
    "sliding_windows",
    "squeeze",
    "transpose",
]


def _reshaped(x: Array, shape: Sequence[int]) -> Array:
    if sum(size == -1 for size in shape) > 1 or any(size < -1 for size in shape):
        raise ArtifactError(f"the shape {list(shape)} may have one -1, and nothing else below 0")
    try:
        return x.reshape(shape)
    except ValueError:
        raise ArtifactError(f"the shape {list(x.shape)} has other elements than {list(shape)}") from None


def _axis(axis: int, rank: int, name: str = "axis") -> int:
    if not -rank <= axis < rank:
        raise ArtifactError(f"its {name} is {axis}, outside of {rank} dimensions")
    return axis % rank


@op("reshape", moves=True)
def reshape(x: Array, shape: tuple[int, ...]) -> Array:
    """``x`` in another shape with as many elements, row after row.

    One size may be -1: what the others leave. A size 0 is that of the same dimension of ``x``, which then has to have
    as many dimensions.
    """
    if 0 in shape:
        if len(shape) != x.ndim:
            raise ArtifactError(f"the shape {list(shape)} has a 0, so it needs the {x.ndim} dimensions of x")
        shape = tuple(size or old for size, old in zip(shape, x.shape, strict=True))
    return _reshaped(x, shape)


@op("reshape", "iOS17", moves=True)
def reshape_ios17(x: Array, shape: tuple[int, ...]) -> Array:
    """``reshape``, in which a 0 means the dimension of ``x`` as far from the last one, and 1 where it has none."""
    if 0 in shape:
        behind = (*(1,) * len(shape), *x.shape)[-len(shape) :]
        shape = tuple(size or old for size, old in zip(shape, behind, strict=True))
    return _reshaped(x, shape)


@op("reshape_like", "iOS16", moves=True)
def reshape_like(
    x: Array,
    ref_tensors: tuple[Array, ...],
    begins: tuple[Array, ...],
    ends: tuple[Array, ...],
    end_masks: tuple[Array, ...],
) -> Array:
    """``x`` in a shape put together of pieces of other tensors' shapes.

    Piece ``i`` is ``ref_tensors[i].shape[begins[i]:ends[i]]``, or all from ``begins[i]`` on if ``end_masks[i]``.
    """
    if not len(ref_tensors) == len(begins) == len(ends) == len(end_masks):
        raise ArtifactError("ref_tensors, begins, ends and end_masks are not equally many")
    shape: list[int] = []
    for like, begin, end, mask in zip(ref_tensors, begins, ends, end_masks, strict=True):
        shape += like.shape[int(begin.item()) : None if mask.item() else int(end.item())]
    return _reshaped(x, shape)


@op("expand_dims", moves=True)
def expand_dims(x: Array, axes: tuple[int, ...]) -> Array:
    """``x`` with a dimension of size 1 at each of ``axes``, counted in the result; from its end where below 0."""
    rank = x.ndim + len(axes)
    new = {_axis(axis, rank) for axis in axes}
    if len(new) != len(axes):
        raise ArtifactError(f"its axes {list(axes)} name one dimension twice")
    sizes = iter(x.shape)
    return x.reshape([1 if axis in new else next(sizes) for axis in range(rank)])


@op("squeeze", moves=True)
def squeeze(x: Array, axes: tuple[int, ...] | None = None) -> Array:
    """``x`` without the dimensions ``axes`` as far as their size is 1; without ``axes``, without all of size 1."""
    gone = set(range(x.ndim)) if axes is None else {_axis(axis, x.ndim) for axis in axes}
    return x.reshape([size for axis, size in enumerate(x.shape) if size != 1 or axis not in gone])


@op("transpose", moves=True)
def transpose(x: Array, perm: tuple[int, ...]) -> Array:
    """Dimension ``i`` of the result is dimension ``perm[i]`` of ``x``."""
    return x.transpose(perm)


@op("reverse", moves=True)
def reverse(x: Array, axes: tuple[int, ...] | None = None) -> Array:
    """The order turned round along ``axes``; along all without them."""
    return np.flip(x, axes)


@op("reverse_sequence", moves=True)
def reverse_sequence(x: Array, lengths: Array, seq_axis: int = 0, batch_axis: int = 0) -> Array:
    """The first ``lengths[i]`` elements along ``seq_axis`` turned round, for each ``i`` along ``batch_axis``."""
    sequence, batch = _axis(seq_axis, x.ndim, "seq_axis"), _axis(batch_axis, x.ndim, "batch_axis")
    size = x.shape[sequence]
    if lengths.shape != (x.shape[batch],):
        raise ArtifactError(f"{lengths.shape} lengths are given; expected one each for {x.shape[batch]}")
    if lengths.size and not 0 <= lengths.min() <= lengths.max() <= size:
        raise ArtifactError(f"a length is outside of 0 to {size}")
    if sequence == batch:
        raise ArtifactError("seq_axis and batch_axis are one")
    places = np.arange(size)
    ends = lengths.astype(np.int64)[:, None]
    sources = np.where(places < ends, ends - 1 - places, places)
    if batch > sequence:
        sources = sources.T
    shape = [length if axis in (batch, sequence) else 1 for axis, length in enumerate(x.shape)]
    return np.take_along_axis(x, sources.reshape(shape), sequence)


@op("sliding_windows", moves=True)
def sliding_windows(x: Array, axis: int, size: int, budget: Budget, stride: int = 1) -> Array:
    """All windows of ``size`` along ``axis``, ``stride`` apart, as a new dimension behind it."""
    along = _axis(axis, x.ndim)
    if stride < 1 or not 0 < size <= x.shape[along]:
        raise ArtifactError(f"windows of {size}, {stride} apart, do not fit into the {x.shape[along]} of axis {along}")
    windows = np.lib.stride_tricks.sliding_window_view(x, size, along)
    windows = np.moveaxis(windows[(slice(None),) * along + (slice(None, None, stride),)], -1, along + 1)
    budget.room(windows.shape, x.itemsize)
    return np.ascontiguousarray(windows)
