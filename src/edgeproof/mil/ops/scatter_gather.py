"""Gather: elements taken from where indices tell. Its counterpart, scatter, stands in ``scatter``.

Until iOS16 an index below 0 counts from the end, and one that is still outside is refused. From iOS17 on both are
outside, and what they give is undefined; here it is 0, unless ``validate_indices`` asks for an error.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.kernels.indices import Outside, axis_of, places
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = [
    "gather",
    "gather_along_axis",
    "gather_along_axis_ios17",
    "gather_ios16",
    "gather_ios17",
    "gather_nd",
    "gather_nd_ios16",
    "gather_nd_ios17",
]


def _gather(x: Array, indices: Array, axis: int, batch_dims: int, outside: Outside, budget: Budget) -> Array:
    axis = axis_of(axis, x.ndim)
    if not 0 <= batch_dims <= min(axis, indices.ndim) or x.shape[:batch_dims] != indices.shape[:batch_dims]:
        raise ArtifactError(
            f"{list(x.shape)} and {list(indices.shape)} do not share {batch_dims} leading dimensions before the "
            f"axis {axis}"
        )
    shape = x.shape[:axis] + indices.shape[batch_dims:] + x.shape[axis + 1 :]
    budget.room(shape, x.itemsize)
    at, inside = places(indices, x.shape[axis], outside)
    if not x.shape[axis] and at.size:
        return np.zeros(shape, x.dtype)
    if batch_dims == 0:
        if at.size == 1 and inside is None:
            only = at.item()
            return x[(*(slice(None),) * axis, slice(only, only + 1))].reshape(shape)
        taken = np.take(x, at, axis)
        if inside is not None:
            taken = np.where(inside[(..., *[None] * (x.ndim - axis - 1))], taken, x.dtype.type(0))
        return np.asarray(taken)
    lead, between, after = x.shape[:batch_dims], x.shape[batch_dims:axis], x.shape[axis + 1 :]
    batches = math.prod(lead)
    flat = x.reshape(batches, math.prod(between), x.shape[axis], math.prod(after))
    chosen = at.reshape(batches, -1)
    taken = flat[np.arange(batches)[:, None, None], np.arange(flat.shape[1])[:, None], chosen[:, None, :]]
    if inside is not None:
        taken = np.where(inside.reshape(batches, 1, -1, 1), taken, x.dtype.type(0))
    return taken.reshape(shape)


@op("gather", moves=True)
def gather(x: Array, indices: Array, budget: Budget, axis: int = 0) -> Array:
    """Slices of ``x`` across ``axis``, in the order of ``indices``.

    Shape: that of ``x`` with ``axis`` replaced by the dimensions of ``indices``.
    """
    return _gather(x, indices, axis, 0, "wrapped", budget)


@op("gather", "iOS16", moves=True)
def gather_ios16(x: Array, indices: Array, budget: Budget, axis: int = 0, batch_dims: int = 0) -> Array:
    """``gather`` separately for each place of the first ``batch_dims`` dimensions, which both share."""
    return _gather(x, indices, axis, batch_dims, "wrapped", budget)


@op("gather", "iOS17", moves=True)
def gather_ios17(
    x: Array,
    indices: Array,
    budget: Budget,
    axis: int = 0,
    batch_dims: int = 0,
    validate_indices: bool = False,
) -> Array:
    """``gather`` with indices from 0 on; another one gives 0, or an error with ``validate_indices``."""
    return _gather(x, indices, axis, batch_dims, "refused" if validate_indices else "nowhere", budget)


def _gather_along_axis(x: Array, indices: Array, axis: int, outside: Outside) -> Array:
    axis = axis_of(axis, x.ndim)
    if x.ndim != indices.ndim or any(
        x.shape[dimension] != indices.shape[dimension] for dimension in range(x.ndim) if dimension != axis
    ):
        raise ArtifactError(f"{list(x.shape)} and {list(indices.shape)} differ in more than the axis {axis}")
    at, inside = places(indices, x.shape[axis], outside)
    if not x.shape[axis] and at.size:
        return np.zeros(indices.shape, x.dtype)
    if x.dtype in (np.float32, np.int32):
        taken = array(torch.gather(tensor(x), axis, tensor(at)))
    else:
        taken = np.take_along_axis(x, at, axis)
    return taken if inside is None else np.where(inside, taken, x.dtype.type(0))


@op("gather_along_axis", moves=True)
def gather_along_axis(x: Array, indices: Array, axis: int = 0) -> Array:
    """``x[..., indices[..., i, ...], ...]``: along ``axis``, for each place of the other dimensions by itself.

    ``indices`` has the dimensions of ``x`` but along ``axis``; so has the output, of its shape.
    """
    return _gather_along_axis(x, indices, axis, "wrapped")


@op("gather_along_axis", "iOS17", moves=True)
def gather_along_axis_ios17(x: Array, indices: Array, axis: int = 0, validate_indices: bool = False) -> Array:
    """``gather_along_axis`` with indices from 0 on; another one gives 0, or an error with ``validate_indices``."""
    return _gather_along_axis(x, indices, axis, "refused" if validate_indices else "nowhere")


def _gather_nd(x: Array, indices: Array, batch_dims: int, outside: Outside, budget: Budget) -> Array:
    if indices.ndim < 1 or not 0 <= batch_dims < indices.ndim or x.shape[:batch_dims] != indices.shape[:batch_dims]:
        raise ArtifactError(f"{list(x.shape)} and {list(indices.shape)} do not share {batch_dims} leading dimensions")
    depth = indices.shape[-1]
    if batch_dims + depth > x.ndim:
        raise ArtifactError(f"{depth} indices were given for the last {x.ndim - batch_dims} dimensions of a tensor")
    rest = x.shape[batch_dims + depth :]
    shape = indices.shape[:-1] + rest
    budget.room(shape, x.itemsize)
    inside: Array | None = None
    at: list[Array] = []
    for level in range(depth):
        place, within = places(indices[..., level], x.shape[batch_dims + level], outside)
        at.append(place)
        if within is not None:
            inside = within if inside is None else inside & within
    if not x.size and math.prod(shape):
        return np.zeros(shape, x.dtype)
    grid = [
        np.arange(size).reshape(-1, *[1] * (indices.ndim - 2 - dimension))
        for dimension, size in enumerate(x.shape[:batch_dims])
    ]
    taken = np.asarray(x[(*grid, *at)]) if grid or at else np.broadcast_to(x, shape)
    if inside is not None:
        taken = np.where(inside[(..., *[None] * len(rest))], taken, x.dtype.type(0))
    return taken


@op("gather_nd", moves=True)
def gather_nd(x: Array, indices: Array, budget: Budget) -> Array:
    """The slices ``x[indices[i]]``: the last dimension of ``indices`` tells a place in the first ones of ``x``.

    Shape: ``indices.shape[:-1] + x.shape[indices.shape[-1]:]``.
    """
    return _gather_nd(x, indices, 0, "wrapped", budget)


@op("gather_nd", "iOS16", moves=True)
def gather_nd_ios16(x: Array, indices: Array, budget: Budget, batch_dims: int = 0) -> Array:
    """``gather_nd`` separately for each place of the first ``batch_dims`` dimensions, which both share."""
    return _gather_nd(x, indices, batch_dims, "wrapped", budget)


@op("gather_nd", "iOS17", moves=True)
def gather_nd_ios17(
    x: Array, indices: Array, budget: Budget, batch_dims: int = 0, validate_indices: bool = False
) -> Array:
    """``gather_nd`` with indices from 0 on; another one gives 0, or an error with ``validate_indices``."""
    return _gather_nd(x, indices, batch_dims, "refused" if validate_indices else "nowhere", budget)
