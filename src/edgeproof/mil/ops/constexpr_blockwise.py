"""Compressed weights of iOS18: scaled by blocks, palettized by groups and vectors, sparse, and these in turn.

A mask is uint8 with 1 where an element stands. Those that give a sparse weight give its mask, and its elements in
row-major order.
"""

from __future__ import annotations

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.compressed import dense, looked_up, scaled, spread
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = [
    "constexpr_blockwise_shift_scale",
    "constexpr_lut_to_dense",
    "constexpr_lut_to_sparse",
    "constexpr_sparse_blockwise_shift_scale",
    "constexpr_sparse_to_dense",
]


def _dense(nonzero: Array, mask: Array) -> Array:
    return dense(nonzero, mask != 0, "places")


def _shift_scale(data: Array, scale: Array, offset: Array | None) -> Array:
    if offset is not None and offset.shape != scale.shape:
        raise ArtifactError(f"the offset is {list(offset.shape)} and the scale {list(scale.shape)}; expected one shape")
    return scaled(data, spread(scale, data.shape), None if offset is None else spread(offset, data.shape))


@op("constexpr_blockwise_shift_scale", "iOS18", moves=True, foldable=True)
def constexpr_blockwise_shift_scale(data: Array, scale: Array, offset: Array | None = None) -> Array:
    """``scale * (data - offset)``: each scale and offset counts for a block of the data.

    The blocks of a dimension have ``data.shape[i] / scale.shape[i]`` elements.
    """
    return _shift_scale(data, scale, offset)


@op("constexpr_lut_to_dense", "iOS18", moves=True, foldable=True)
def constexpr_lut_to_dense(indices: Array, lut: Array, budget: Budget, vector_axis: int | None = None) -> Array:
    """What the palette of its group has for each index.

    Args:
        lut: shape (groups..., palettes, vector): as many groups along a dimension as its indices are divided into.
        vector_axis: along which the elements of a vector follow each other, where it has more than one.
    """
    budget.room((*indices.shape, lut.shape[-1]), max(lut.itemsize, 8))
    return looked_up(indices, lut, vector_axis)


@op("constexpr_sparse_to_dense", "iOS18", moves=True, foldable=True)
def constexpr_sparse_to_dense(nonzero_data: Array, mask: Array) -> Array:
    """The elements at the places of the mask, in row-major order, and 0 elsewhere."""
    return _dense(nonzero_data, mask)


@op("constexpr_lut_to_sparse", "iOS18", moves=True, foldable=True)
def constexpr_lut_to_sparse(
    indices_mask: Array, indices_nonzero_data: Array, lut: Array, budget: Budget, vector_axis: int | None = None
) -> tuple[Array, Array]:
    """``constexpr_lut_to_dense`` of a sparse tensor of indices: the mask, with each place repeated for its vector."""
    budget.room((*indices_mask.shape, lut.shape[-1]), max(lut.itemsize, 8))
    weights = looked_up(_dense(indices_nonzero_data, indices_mask), lut, vector_axis)
    mask = indices_mask if vector_axis is None else np.repeat(indices_mask, lut.shape[-1], vector_axis)
    return mask, weights[mask != 0]


@op("constexpr_sparse_blockwise_shift_scale", "iOS18", moves=True, foldable=True)
def constexpr_sparse_blockwise_shift_scale(
    data_mask: Array, nonzero_data: Array, scale: Array, offset: Array | None = None
) -> tuple[Array, Array]:
    """``constexpr_blockwise_shift_scale`` of a sparse tensor: its mask, and the scaled elements."""
    return data_mask, _shift_scale(_dense(nonzero_data, data_mask), scale, offset)[data_mask != 0]
