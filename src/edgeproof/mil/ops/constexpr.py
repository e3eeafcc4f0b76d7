"""Compressed weights of iOS16: affine, palettized, sparse, flat and packed. Computed once, before the first call."""

from __future__ import annotations

import math

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.compressed import along_axis, bits, dense, scaled
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = ["constexpr_affine_dequantize", "constexpr_cast", "constexpr_lut_to_dense", "constexpr_sparse_to_dense"]


@op("constexpr_affine_dequantize", "iOS16", moves=True, foldable=True)
def constexpr_affine_dequantize(quantized_data: Array, zero_point: Array, scale: Array, axis: int) -> Array:
    """``scale * (quantized_data - zero_point)``; scale and zero point are scalars, or vectors along ``axis``."""
    rank = quantized_data.ndim
    return scaled(quantized_data, along_axis(scale, rank, axis), along_axis(zero_point, rank, axis))


@op("constexpr_cast", "iOS16", moves=True, foldable=True)
def constexpr_cast(source_val: Array, output_dtype: str) -> Array:
    """fp16 as fp32."""
    if output_dtype != "fp32":
        raise ArtifactError(f"the dtype {output_dtype!r} is not known; expected fp32")
    return source_val.astype(np.float32)


@op("constexpr_lut_to_dense", "iOS16", moves=True, foldable=True)
def constexpr_lut_to_dense(indices: Array, lut: Array, shape: tuple[int, ...], budget: Budget) -> Array:
    """``lut[indices]`` in ``shape``: indices of ``log2(len(lut))`` bits, packed from the lowest bit up."""
    width = lut.size.bit_length() - 1
    if lut.ndim != 1 or lut.size != 1 << width or not 1 <= width <= 8:
        raise ArtifactError(f"a palette {list(lut.shape)} is not known; expected a vector of 2, 4, 16, 64 or 256")
    budget.room(shape, lut.itemsize)
    return lut[bits(indices, width, math.prod(shape))].reshape(shape)


@op("constexpr_sparse_to_dense", "iOS16", moves=True, foldable=True)
def constexpr_sparse_to_dense(nonzero_data: Array, mask: Array, shape: tuple[int, ...], budget: Budget) -> Array:
    """``nonzero_data`` where a bit of ``mask`` is set, in row-major order, 0 elsewhere; the lowest bit comes first."""
    budget.room(shape, max(nonzero_data.itemsize, 1))
    return dense(nonzero_data, bits(mask, 1, math.prod(shape)) != 0, "bits").reshape(shape)
