"""Scatter: elements written to where indices tell, in place of what stands there or together with it.

Until iOS16 an index below 0 counts from the end, and one that is still outside is refused. From iOS17 on both are
outside, and what they do is undefined; here it is nothing, unless ``validate_indices`` asks for an error. Updates of
the same place are made one after the other, each rounded to the dtype.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.indices import Outside, axis_of, places
from edgeproof.mil.kernels.integers import integer_of
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array

__all__ = [
    "scatter",
    "scatter_along_axis",
    "scatter_along_axis_ios17",
    "scatter_ios17",
    "scatter_nd",
    "scatter_nd_ios17",
]

MODES: dict[str, np.ufunc] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
}


def _write(data: Array, at: Array, inside: Array | None, updates: Array, mode: str) -> Array:
    """A copy of ``data`` with the updates made.

    Args:
        at: places in the flat data, int64, of the updates' shape.
        inside: where an update is made, broadcast to that shape; None for everywhere.
    """
    if mode != "update" and mode not in MODES:
        raise ArtifactError(f"the mode {mode!r} is not known; expected one of update, {', '.join(MODES)}")
    at, given = at.reshape(-1), updates.reshape(-1)
    if inside is not None:
        kept = np.broadcast_to(inside, updates.shape).reshape(-1)
        at, given = at[kept], given[kept]
    if mode == "div" and data.dtype.kind != "f":
        exact = data.astype(np.float64).reshape(-1)
        np.divide.at(exact, at, given)
        return integer_of(exact, data.dtype).reshape(data.shape)
    result = data.copy().reshape(-1)
    if mode == "update":
        result[at] = given
    else:
        MODES[mode].at(result, at, given)
    return result.reshape(data.shape)


def _ask_shape(updates: Array, expected: tuple[int, ...]) -> None:
    if updates.shape != expected:
        raise ArtifactError(f"the updates are {list(updates.shape)}; expected {list(expected)}")


def _scatter(data: Array, indices: Array, updates: Array, axis: int, mode: str, outside: Outside) -> Array:
    axis = axis_of(axis, data.ndim)
    _ask_shape(updates, data.shape[:axis] + indices.shape + data.shape[axis + 1 :])
    at, inside = places(indices, data.shape[axis], outside)
    alone = at.shape == (1,) and data.dtype == np.float32
    if inside is None and (mode == "update" or (alone and mode in MODES)):
        result = data.copy()
        place: tuple[Any, ...] = (*(slice(None),) * axis, slice(at[0], at[0] + 1) if alone else at)
        result[place] = updates if mode == "update" else MODES[mode](result[place], updates)
        return result
    before, after = math.prod(data.shape[:axis]), math.prod(data.shape[axis + 1 :])
    flat = np.arange(before)[:, None, None] * data.shape[axis] + at.reshape(-1, 1)
    flat = flat * after + np.arange(after)
    if inside is not None:
        inside = inside[(..., *[None] * (data.ndim - axis - 1))]
    return _write(data, flat, inside, updates, mode)


@op("scatter")
def scatter(data: Array, indices: Array, updates: Array, axis: int = 0, mode: str = "add") -> Array:
    """``data`` with ``updates[..., i, ...]`` made to ``data[..., indices[i], ...]`` along ``axis``.

    ``mode`` is ``update`` (put in its place), ``add``, ``sub``, ``mul``, ``div``, ``max`` or ``min`` (of both). The
    updates have the shape of the data with ``axis`` replaced by the indices' dimension.
    """
    return _scatter(data, indices, updates, axis, mode, "wrapped")


@op("scatter", "iOS17")
def scatter_ios17(
    data: Array,
    indices: Array,
    updates: Array,
    axis: int = 0,
    mode: str = "add",
    validate_indices: bool = False,
) -> Array:
    """``scatter`` with indices from 0 on; another one changes nothing, or is an error with ``validate_indices``."""
    return _scatter(data, indices, updates, axis, mode, "refused" if validate_indices else "nowhere")


def _scatter_along_axis(data: Array, indices: Array, updates: Array, axis: int, mode: str, outside: Outside) -> Array:
    axis = axis_of(axis, data.ndim)
    _ask_shape(updates, indices.shape)
    _ask_shape(updates, data.shape[:axis] + indices.shape[axis : axis + 1] + data.shape[axis + 1 :])
    at, inside = places(indices, data.shape[axis], outside)
    flat = np.zeros(at.shape, np.int64)
    for dimension, size in enumerate(data.shape):
        place = at if dimension == axis else np.arange(size).reshape(-1, *[1] * (data.ndim - dimension - 1))
        flat = flat * size + place
    return _write(data, flat, inside, updates, mode)


@op("scatter_along_axis")
def scatter_along_axis(data: Array, indices: Array, updates: Array, axis: int = 0, mode: str = "add") -> Array:
    """``data`` with ``updates[..., i, ...]`` made to ``data[..., indices[..., i, ...], ...]`` along ``axis``.

    Indices and updates have the dimensions of the data but along ``axis``; the modes are those of ``scatter``.
    """
    return _scatter_along_axis(data, indices, updates, axis, mode, "wrapped")


@op("scatter_along_axis", "iOS17")
def scatter_along_axis_ios17(
    data: Array,
    indices: Array,
    updates: Array,
    axis: int = 0,
    mode: str = "add",
    validate_indices: bool = False,
) -> Array:
    """With indices from 0 on; another one changes nothing, or is an error with ``validate_indices``."""
    return _scatter_along_axis(data, indices, updates, axis, mode, "refused" if validate_indices else "nowhere")


def _scatter_nd(data: Array, indices: Array, updates: Array, mode: str, outside: Outside) -> Array:
    depth = indices.shape[-1] if indices.ndim else 0
    if not indices.ndim or depth > data.ndim:
        raise ArtifactError(f"{list(indices.shape)} indices do not tell places in a tensor {list(data.shape)}")
    _ask_shape(updates, indices.shape[:-1] + data.shape[depth:])
    flat = np.zeros(indices.shape[:-1], np.int64)
    inside: Array | None = None
    for level in range(depth):
        at, within = places(indices[..., level], data.shape[level], outside)
        flat = flat * data.shape[level] + at
        if within is not None:
            inside = within if inside is None else inside & within
    rest = math.prod(data.shape[depth:])
    if inside is not None:
        inside = inside[(..., *[None] * (data.ndim - depth))]
    return _write(data, flat[..., None] * rest + np.arange(rest), inside, updates, mode)


@op("scatter_nd")
def scatter_nd(data: Array, indices: Array, updates: Array, mode: str = "add") -> Array:
    """``data`` with ``updates[i]`` made to ``data[indices[i]]``: ``indices[i]`` is a place in its first dimensions.

    The updates have the shape ``indices.shape[:-1] + data.shape[indices.shape[-1]:]``; modes as in ``scatter``.
    """
    return _scatter_nd(data, indices, updates, mode, "wrapped")


@op("scatter_nd", "iOS17")
def scatter_nd_ios17(
    data: Array, indices: Array, updates: Array, mode: str = "add", validate_indices: bool = False
) -> Array:
    """``scatter_nd`` with indices from 0 on; another one changes nothing, or is an error with ``validate_indices``."""
    return _scatter_nd(data, indices, updates, mode, "refused" if validate_indices else "nowhere")
