"""Elements by their value: sorted, or the first of them. Of equal ones the one that stands first comes first."""

from __future__ import annotations

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.indices import axis_of
from edgeproof.mil.kernels.ordering import best, order
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array

__all__ = ["argsort", "topk", "topk_ios16", "topk_ios17"]

INDICES = {"int32": np.int32, "uint16": np.uint16}


@op("argsort", moves=True)
def argsort(x: Array, axis: int = -1, ascending: bool = False) -> Array:
    """Indices, int32, that sort ``x`` along ``axis``; the greatest element first unless ``ascending``."""
    axis = axis_of(axis, x.ndim)
    places = order(np.moveaxis(x, axis, -1), ascending=ascending)
    return np.moveaxis(places, -1, axis).astype(np.int32)


def _topk(x: Array, k: int, axis: int, ascending: bool, dtype: str) -> tuple[Array, Array]:
    axis = axis_of(axis, x.ndim)
    size = x.shape[axis]
    count = size if k == -1 else k
    if not 0 <= count <= size:
        raise ArtifactError(f"{k} elements were asked for of {size}")
    if dtype not in INDICES:
        raise ArtifactError(f"indices as {dtype!r} are not known; expected one of {', '.join(INDICES)}")
    places = np.moveaxis(best(np.moveaxis(x, axis, -1), count, ascending=ascending), -1, axis)
    return np.take_along_axis(x, places, axis), places.astype(INDICES[dtype])


@op("topk", moves=True)
def topk(x: Array, k: int = 1, axis: int = -1, ascending: bool = False) -> tuple[Array, Array]:
    """The ``k`` greatest elements along ``axis``, or the least ones if ``ascending``, in order, and their indices.

    ``k`` of -1 means all of them. Indices are int32.
    """
    return _topk(x, k, axis, ascending, "int32")


@op("topk", "iOS16", moves=True)
def topk_ios16(
    x: Array,
    k: int = 1,
    axis: int = -1,
    ascending: bool = False,
    sort: bool = True,  # noqa: ARG001
    return_indices: bool = True,
) -> Array | tuple[Array, Array]:
    """``topk``, on request the values only; without ``sort`` any order would do, and they are sorted all the same."""
    values, places = _topk(x, k, axis, ascending, "int32")
    return (values, places) if return_indices else values


@op("topk", "iOS17", moves=True)
def topk_ios17(
    x: Array,
    k: int = 1,
    axis: int = -1,
    ascending: bool = False,
    sort: bool = True,  # noqa: ARG001
    return_indices: bool = True,
    output_indices_dtype: str = "int32",
) -> Array | tuple[Array, Array]:
    """``topk`` with the indices as ``int32`` or ``uint16``."""
    values, places = _topk(x, k, axis, ascending, output_indices_dtype)
    return (values, places) if return_indices else values
