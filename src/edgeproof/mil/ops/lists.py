"""Lists of tensors, as loops fill them: a write gives a new list."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget, Elements

__all__ = ["list_gather", "list_length", "list_read", "list_scatter", "list_write", "make_list"]

DTYPES: dict[str, np.dtype[Any]] = {
    "bool": np.dtype(np.bool_),
    "fp16": np.dtype(np.float16),
    "fp32": np.dtype(np.float32),
    "int32": np.dtype(np.int32),
}


@op("make_list", moves=True)
def make_list(
    budget: Budget,
    init_length: int = 1,
    dynamic_length: bool = True,
    elem_shape: tuple[Array, ...] = (),
    dtype: str = "fp32",
) -> Elements:
    """A list of ``init_length`` elements, nothing written yet; one of ``dynamic_length`` grows as it is written to.

    ``elem_shape`` has a name in place of each size that only a call tells.
    """
    if dtype not in DTYPES:
        raise ArtifactError(f"the dtype {dtype!r} is not known; expected one of {', '.join(DTYPES)}")
    budget.room((init_length,), 8)
    sizes = [number for size in elem_shape for number in size.reshape(-1).tolist()]
    shape = tuple(number if isinstance(number, int) else None for number in sizes)
    return Elements((None,) * init_length, shape, DTYPES[dtype], dynamic_length)


@op("list_length", moves=True)
def list_length(ls: Elements) -> Array:
    """How many elements the list has, int32."""
    return np.array(len(ls.values), np.int32)


def _written(ls: Elements, at: list[int], values: list[Array], budget: Budget) -> Elements:
    elements = list(ls.values)
    for index, value in zip(at, values, strict=True):
        if index < 0 or (index >= len(elements) and not ls.grows):
            raise ArtifactError(f"the element {index} was written of a list of {len(elements)}")
        if index >= len(elements):
            budget.room((index + 1,), 8)
            elements += [None] * (index + 1 - len(elements))
        elements[index] = value
    return Elements(tuple(elements), ls.shape, ls.dtype, ls.grows)


def _element(ls: Elements, index: int, budget: Budget) -> Array:
    if not 0 <= index < len(ls.values):
        raise ArtifactError(f"the element {index} was read of a list of {len(ls.values)}")
    value = ls.values[index]
    if value is not None:
        return value
    known = next((value.shape for value in ls.values if value is not None), None)
    sizes = tuple(size for size in ls.shape if size is not None)
    if len(sizes) == len(ls.shape):
        known = sizes
    if known is None:
        raise ArtifactError(f"the element {index} was read before anything was written")
    budget.room(known, ls.dtype.itemsize)
    return np.zeros(known, ls.dtype)


@op("list_write", moves=True)
def list_write(ls: Elements, index: int, value: Array, budget: Budget) -> Elements:
    """The list with ``value`` at ``index``."""
    return _written(ls, [index], [value], budget)


@op("list_read", moves=True)
def list_read(ls: Elements, index: int, budget: Budget) -> Array:
    """The element at ``index``; 0 where nothing was written."""
    return _element(ls, index, budget)


@op("list_gather", moves=True)
def list_gather(ls: Elements, indices: Array, budget: Budget) -> Array:
    """The elements at ``indices``, stacked along a new first dimension."""
    at = indices.reshape(-1).tolist()
    if not at:
        return np.zeros((0, *(size or 0 for size in ls.shape)), ls.dtype)
    elements = [_element(ls, index, budget) for index in at]
    budget.room((len(at), *elements[0].shape), elements[0].itemsize)
    return np.stack(elements)


@op("list_scatter", moves=True)
def list_scatter(ls: Elements, indices: Array, value: Array, budget: Budget) -> Elements:
    """The list with ``value[i]`` at ``indices[i]``."""
    if not value.ndim or value.shape[0] != indices.size:
        raise ArtifactError(f"a value {list(value.shape)} was given for {indices.size} elements")
    return _written(ls, indices.reshape(-1).tolist(), list(value), budget)
