"""Compressed weights made dense: bits taken apart, palettes looked up, blocks scaled.

Scaling is computed in fp32 and rounded once to the dtype of the scale, as fp16 would give it wherever data and offset
are whole numbers: their difference is exact in both.
"""

from __future__ import annotations

import math

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.values import Array

__all__ = ["along_axis", "bits", "dense", "looked_up", "scaled", "spread"]


def along_axis(x: Array, rank: int, axis: int) -> Array:
    """A vector as a tensor of ``rank`` along ``axis``, to be broadcast; a scalar as it is.

    Raises:
        ArtifactError: it has more dimensions, or the axis is none of them.
    """
    if x.ndim == 0:
        return x
    if x.ndim != 1 or not -rank <= axis < rank:
        raise ArtifactError(f"{list(x.shape)} is no scalar or vector along the axis {axis} of {rank}")
    return x.reshape(-1, *[1] * (rank - 1 - axis % rank))


def scaled(data: Array, scale: Array, offset: Array | None) -> Array:
    """``scale * (data - offset)``, broadcast, in the dtype of ``scale``."""
    wide: Array = data.astype(np.float32)
    if offset is not None:
        wide -= offset.astype(np.float32)
    wide *= scale.astype(np.float32)
    return wide.astype(scale.dtype, copy=False)


def dense(nonzero: Array, places: Array, what: str) -> Array:
    """``nonzero`` at the places that are set, in row-major order, and 0 elsewhere.

    Args:
        places: bool, of the result's shape.
        what: what a place is called in the error.

    Raises:
        ArtifactError: more or fewer places are set than there are elements.
    """
    count = int(places.sum())
    if count != nonzero.size:
        raise ArtifactError(f"{count} {what} are set for {nonzero.size} elements")
    result = np.zeros(places.shape, nonzero.dtype)
    result[places] = nonzero.reshape(-1)
    return result


def bits(packed: Array, width: int, count: int) -> Array:
    """``count`` numbers of ``width`` bits, packed from the lowest bit of the first byte up: uint8, shape (count,).

    Raises:
        ArtifactError: there are fewer bytes.
    """
    if packed.size * 8 < count * width:
        raise ArtifactError(f"{packed.size} bytes do not hold {count} numbers of {width} bits")
    if width == 8:
        return packed.view(np.uint8)[:count]
    if 8 % width == 0:
        parts = packed.view(np.uint8)[:, None] >> np.arange(0, 8, width, dtype=np.uint8)
        return np.asarray(parts & ((1 << width) - 1)).reshape(-1)[:count]
    single = np.unpackbits(packed.view(np.uint8), count=count * width, bitorder="little").reshape(count, width)
    return np.packbits(single, axis=1, bitorder="little").reshape(count)


def spread(x: Array, shape: tuple[int, ...]) -> Array:
    """Each element repeated for its block: ``shape`` has as many dimensions, each a multiple of that of ``x``.

    Raises:
        ArtifactError: the shape is no multiple.
    """
    if x.ndim != len(shape) or any(not size or want % size for want, size in zip(shape, x.shape, strict=True)):
        raise ArtifactError(f"{list(x.shape)} does not divide {list(shape)} into blocks")
    for axis, (want, size) in enumerate(zip(shape, x.shape, strict=True)):
        if size not in (1, want):
            x = np.repeat(x, want // size, axis)
    return x


def looked_up(indices: Array, lut: Array, vector_axis: int | None) -> Array:
    """Indices replaced by what the palettes have for them.

    Args:
        lut: shape (groups along each dimension of the indices..., palettes, vector).
        vector_axis: where the elements of a vector follow each other; needed where there is more than one.

    Raises:
        ArtifactError: palettes and indices do not fit, or an axis is needed and there is none.
    """
    *groups, palettes, vector = lut.shape
    count = np.arange(math.prod(groups)).reshape(groups)
    if len(groups) != indices.ndim:
        raise ArtifactError(f"palettes {list(lut.shape)} do not fit indices {list(indices.shape)}")
    if indices.size and int(indices.max()) >= palettes:
        raise ArtifactError(f"the index {int(indices.max())} was asked for of {palettes} palettes")
    at = spread(count, indices.shape) * palettes + indices
    taken: Array = np.take(lut.reshape(-1, vector), at, axis=0)
    if vector == 1:
        return taken.reshape(indices.shape)
    if vector_axis is None or not -indices.ndim <= vector_axis < indices.ndim:
        raise ArtifactError(f"a palette holds vectors of {vector}, and the axis for them is {vector_axis}")
    axis = vector_axis % indices.ndim
    shape = [size * vector if dimension == axis else size for dimension, size in enumerate(indices.shape)]
    return np.moveaxis(taken, -1, axis + 1).reshape(shape)
