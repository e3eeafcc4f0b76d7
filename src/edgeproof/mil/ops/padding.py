"""Borders around a tensor."""

from __future__ import annotations

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = ["pad"]

ZERO = np.zeros((), np.float32)


@op("pad", moves=True)
def pad(x: Array, pad: tuple[int, ...], budget: Budget, mode: str = "constant", constant_val: Array = ZERO) -> Array:
    """The last ``len(pad) / 2`` dimensions with ``pad[2 * i]`` elements before and ``pad[2 * i + 1]`` behind.

    ``constant`` puts ``constant_val`` there; ``reflect`` mirrors at the outermost element, which is not repeated, and
    so reaches at most one less than there are; ``replicate`` repeats the outermost element.
    """
    count = len(pad) // 2
    if len(pad) % 2 or count > x.ndim or min(pad, default=0) < 0:
        raise ArtifactError(f"a tensor {list(x.shape)} cannot be padded by {list(pad)}")
    ends = [(0, 0)] * (x.ndim - count) + [(pad[2 * i], pad[2 * i + 1]) for i in range(count)]
    shape = tuple(before + size + after for size, (before, after) in zip(x.shape, ends, strict=True))
    budget.room(shape, x.itemsize)
    if mode not in ("constant", "reflect", "replicate"):
        raise ArtifactError(f"the mode {mode!r} is not known; expected constant, reflect or replicate")
    padded = np.full(shape, constant_val, x.dtype) if mode == "constant" else np.empty(shape, x.dtype)
    padded[tuple(slice(before, before + size) for size, (before, _) in zip(x.shape, ends, strict=True))] = x
    if mode != "constant":
        for axis, (before, after) in enumerate(ends):
            _extend(np.moveaxis(padded, axis, 0), before, x.shape[axis], after, mode)
    return padded


def _extend(rows: Array, before: int, size: int, after: int, mode: str) -> None:
    """Fill what stands before and behind the ``size`` rows that are there."""
    first, last, end = before, before + size - 1, before + size + after
    if mode == "replicate":
        if not size:
            raise ArtifactError("there is no element to be repeated")
        rows[:first], rows[last + 1 :] = rows[first], rows[last]
        return
    if max(before, after) >= size:
        raise ArtifactError(f"{size} elements cannot be mirrored to {max(before, after)} more")
    rows[:first] = rows[first + 1 : first + 1 + before][::-1]
    rows[last + 1 : end] = rows[last - after : last][::-1]
