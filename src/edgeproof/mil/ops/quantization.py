"""Between floating point and 8-bit integers, on values that a call computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.kernels.compressed import along_axis
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array

__all__ = ["dequantize", "quantize"]

DTYPES: dict[str, np.dtype[Any]] = {"int8": np.dtype(np.int8), "uint8": np.dtype(np.uint8)}


def _along(x: Array, rank: int, axis: int | None) -> Array:
    if x.ndim and axis is None:
        raise ArtifactError(f"a vector {list(x.shape)} needs an axis to stand along")
    return along_axis(x, rank, axis or 0)


@op("quantize", "iOS17")
def quantize(
    input: Array, scale: Array, output_dtype: str, zero_point: Array | None = None, axis: int | None = None
) -> Array:
    """``round(input / scale) + zero_point``, kept within ``int8`` or ``uint8``; a half rounds to the even one.

    Scale and zero point are scalars, or vectors along ``axis``. NaN becomes 0.
    """
    if output_dtype not in DTYPES:
        raise ArtifactError(f"the dtype {output_dtype!r} is not known; expected one of {', '.join(DTYPES)}")
    dtype = DTYPES[output_dtype]
    steps = tensor(np.asarray(input / _along(scale, input.ndim, axis))).round_()
    if zero_point is not None:
        if zero_point.dtype != dtype:
            raise ArtifactError(f"the zero point is {zero_point.dtype}; expected {output_dtype}")
        steps += tensor(_along(zero_point, input.ndim, axis))
    span = np.iinfo(dtype)
    return array(steps.clamp_(span.min, span.max).to(torch.int32)).astype(dtype)


@op("dequantize", "iOS17")
def dequantize(input: Array, scale: Array, zero_point: Array | None = None, axis: int | None = None) -> Array:
    """``scale * (input - zero_point)`` in the dtype of ``scale``; both are scalars, or vectors along ``axis``."""
    steps = input.astype(scale.dtype)
    if zero_point is not None:
        steps -= _along(zero_point, input.ndim, axis).astype(scale.dtype)
    return np.asarray(steps * _along(scale, input.ndim, axis))
