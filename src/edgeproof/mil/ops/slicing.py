"""Parts of a tensor: taken out, or replaced."""

from __future__ import annotations

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array

__all__ = ["slice_by_index", "slice_by_size", "slice_update"]

Index = tuple[slice | int, ...]


def _index(
    x: Array,
    begin: tuple[int, ...],
    end: tuple[int, ...],
    stride: tuple[int, ...] | None,
    begin_mask: tuple[bool, ...] | None,
    end_mask: tuple[bool, ...] | None,
    squeeze_mask: tuple[bool, ...] | None,
) -> Index:
    """What numpy is to be indexed by; the parameters are those of ``slice_by_index``."""
    rank = x.ndim
    steps = stride or (1,) * rank
    from_edge, to_edge, single = (mask or (False,) * rank for mask in (begin_mask, end_mask, squeeze_mask))
    for name, given in (
        ("begin", begin),
        ("end", end),
        ("stride", steps),
        ("begin_mask", from_edge),
        ("end_mask", to_edge),
        ("squeeze_mask", single),
    ):
        if len(given) != rank:
            raise ArtifactError(f"its {name} is for {len(given)} dimensions; x has {rank}")
    if 0 in steps:
        raise ArtifactError("a stride is 0")
    index: list[slice | int] = []
    for axis, (start, stop, step) in enumerate(zip(begin, end, steps, strict=True)):
        if single[axis]:
            place = 0 if from_edge[axis] else start
            if not -x.shape[axis] <= place < x.shape[axis]:
                raise ArtifactError(f"its begin is {place} in dimension {axis}, whose size is {x.shape[axis]}")
            index.append(place)
        else:
            index.append(slice(None if from_edge[axis] else start, None if to_edge[axis] else stop, step))
    return tuple(index)


@op("slice_by_index", moves=True)
def slice_by_index(
    x: Array,
    begin: tuple[int, ...],
    end: tuple[int, ...],
    stride: tuple[int, ...] | None = None,
    begin_mask: tuple[bool, ...] | None = None,
    end_mask: tuple[bool, ...] | None = None,
    squeeze_mask: tuple[bool, ...] | None = None,
) -> Array:
    """``x[begin[0]:end[0]:stride[0], begin[1]:end[1]:stride[1], ...]`` as numpy understands it.

    Numbers below 0 count from the end. Where ``begin_mask`` or ``end_mask`` is set, the slice starts or ends at the
    edge. Where ``squeeze_mask`` is set, only ``begin`` is taken and the dimension goes.
    """
    return np.asarray(x[_index(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)])


@op("slice_by_size", moves=True)
def slice_by_size(x: Array, begin: tuple[int, ...], size: tuple[int, ...]) -> Array:
    """``size[i]`` elements from ``begin[i]`` on in each dimension; all the rest where it is -1."""
    if not len(begin) == len(size) == x.ndim:
        raise ArtifactError(f"begin is for {len(begin)} dimensions and size for {len(size)}; x has {x.ndim}")
    index = []
    for axis, (start, count, full) in enumerate(zip(begin, size, x.shape, strict=True)):
        first = start + full if start < 0 else start
        last = full if count == -1 else first + count
        if not 0 <= first <= last <= full:
            raise ArtifactError(f"{count} elements from {start} on do not fit into the {full} of dimension {axis}")
        index.append(slice(first, last))
    return x[tuple(index)]


@op("slice_update", "iOS18", moves=True)
def slice_update(
    x: Array,
    update: Array,
    begin: tuple[int, ...],
    end: tuple[int, ...],
    stride: tuple[int, ...] | None = None,
    begin_mask: tuple[bool, ...] | None = None,
    end_mask: tuple[bool, ...] | None = None,
    squeeze_mask: tuple[bool, ...] | None = None,
) -> Array:
    """``x`` with the part that ``slice_by_index`` would give replaced by ``update``, which has its shape."""
    index = _index(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    result = x.copy()
    if result[index].shape != update.shape:
        raise ArtifactError(f"update has the shape {list(update.shape)}; the slice has {list(result[index].shape)}")
    result[index] = update
    return result
