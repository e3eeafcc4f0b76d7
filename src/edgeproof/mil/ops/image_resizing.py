"""Images made larger, smaller, or cut; the last two dimensions are height and width."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from torch.nn import functional

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.kernels.sampling import grid, interpolated
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = [
    "crop",
    "resize",
    "resize_bilinear",
    "resize_nearest_neighbor",
    "upsample_bilinear",
    "upsample_bilinear_ios16",
    "upsample_nearest_neighbor",
]

ALIGNED = {"STRICT_ALIGN_CORNERS": True, "UNALIGN_CORNERS": False}
"""Sampling modes that torch has."""


def _check(x: Array, height: int, width: int, budget: Budget) -> tuple[int, ...]:
    if x.ndim < 3 or 0 in x.shape[-2:]:
        raise ArtifactError(f"x has the shape {list(x.shape)}; expected (..., height, width), three dimensions or more")
    if height < 1 or width < 1:
        raise ArtifactError(f"it would become {height} high and {width} wide; expected 1 or more")
    budget.room((*x.shape[:-2], height, width), x.itemsize)
    return height, width


def _linear(x: Array, sizes: Mapping[int, int], mode: str) -> Array:
    """Resized along axes, those first that become smallest; by one kernel where there is one."""
    axes = x.ndim - 2, x.ndim - 1
    if mode in ALIGNED and x.dtype == np.float32 and tuple(sizes) == axes:
        flat = tensor(x).reshape(1, -1, *x.shape[-2:])
        new = functional.interpolate(flat, tuple(sizes.values()), mode="bilinear", align_corners=ALIGNED[mode])
        return array(new).reshape(*x.shape[:-2], *sizes.values())
    for axis in sorted(sizes, key=lambda axis: sizes[axis] / x.shape[axis]):
        x = interpolated(x, axis, grid(mode, x.shape[axis], sizes[axis]))
    return x


def _centred(size: int, count: int) -> Array:
    """The element that holds the middle of each of ``count`` parts."""
    return np.asarray((2 * np.arange(count) + 1) * size // (2 * count))


def _scaled(size: int, factor: float) -> int:
    """``floor(size * factor)``, multiplied in float32 as the shape is declared."""
    wanted = float(np.float32(factor) * np.float32(size))
    if not math.isfinite(wanted):
        raise ArtifactError(f"the scale factor is {factor:g}; expected a number")
    return math.floor(wanted)


@op("upsample_nearest_neighbor", moves=True)
def upsample_nearest_neighbor(
    x: Array, budget: Budget, scale_factor_height: float = 1.0, scale_factor_width: float = 1.0
) -> Array:
    """Element ``floor(i * old / new)`` for each ``i``, where ``new = floor(old * scale_factor)``."""
    old = x.shape[-2:]
    height, width = _check(x, _scaled(old[0], scale_factor_height), _scaled(old[-1], scale_factor_width), budget)
    rows, columns = (np.arange(new) * size // new for size, new in zip(old, (height, width), strict=True))
    return np.asarray(x.take(rows, axis=-2).take(columns, axis=-1))


@op("resize_nearest_neighbor", moves=True)
def resize_nearest_neighbor(x: Array, target_size_height: int, target_size_width: int, budget: Budget) -> Array:
    """Element ``floor((i + 0.5) * old / new)`` for each ``i``."""
    height, width = _check(x, target_size_height, target_size_width, budget)
    return x.take(_centred(x.shape[-2], height), axis=-2).take(_centred(x.shape[-1], width), axis=-1)


@op("upsample_bilinear")
def upsample_bilinear(
    x: Array,
    budget: Budget,
    scale_factor_height: float = 1.0,
    scale_factor_width: float = 1.0,
    align_corners: bool = True,
) -> Array:
    """Linear between the elements, ``new = floor(old * scale_factor)`` of them.

    With ``align_corners`` element ``i`` stands at ``i * (old - 1) / (new - 1)``, else at
    ``(i + 0.5) * old / new - 0.5``, no further out than the first and the last element.
    """
    mode = "STRICT_ALIGN_CORNERS" if align_corners else "UNALIGN_CORNERS"
    height, width = _scaled(x.shape[-2], scale_factor_height), _scaled(x.shape[-1], scale_factor_width)
    _check(x, height, width, budget)
    return _linear(x, {x.ndim - 2: height, x.ndim - 1: width}, mode)


@op("upsample_bilinear", "iOS16")
def upsample_bilinear_ios16(
    x: Array,
    budget: Budget,
    scale_factor_height: float = 1.0,
    scale_factor_width: float = 1.0,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Array:
    """``upsample_bilinear``; with neither ``align_corners`` nor ``half_pixel_centers`` at ``i * old / new``.

    ``half_pixel_centers`` is by default what ``align_corners`` is not; both cannot be.
    """
    if align_corners and half_pixel_centers:
        raise ArtifactError("align_corners and half_pixel_centers are both true; expected one at most")
    if align_corners or half_pixel_centers is not False:
        return upsample_bilinear(x, budget, scale_factor_height, scale_factor_width, align_corners)
    height, width = _scaled(x.shape[-2], scale_factor_height), _scaled(x.shape[-1], scale_factor_width)
    _check(x, height, width, budget)
    return _linear(x, {x.ndim - 2: height, x.ndim - 1: width}, "DEFAULT")


@op("resize_bilinear")
def resize_bilinear(
    x: Array, budget: Budget, target_size_height: int = 1, target_size_width: int = 1, sampling_mode: str = "DEFAULT"
) -> Array:
    """Linear between the elements; ``sampling_mode`` tells at which places, see ``sampling.grid``."""
    _check(x, target_size_height, target_size_width, budget)
    return _linear(x, {x.ndim - 2: target_size_height, x.ndim - 1: target_size_width}, sampling_mode)


@op("resize", "iOS17")
def resize(
    x: Array,
    shape: tuple[int, ...],
    resized_dims: int,
    budget: Budget,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Array:
    """The last ``resized_dims`` dimensions take the last sizes of ``shape``; where one is 0, they keep theirs.

    ``LINEAR`` between the elements at the places of ``sampling.grid``; of whole numbers the fraction is cut off.
    ``NEAREST_NEIGHBOR``: the element nearest to such a place, the later one of two as near; by ``DEFAULT`` as
    ``resize_nearest_neighbor``.
    """
    if not 0 <= resized_dims <= len(shape) <= x.ndim:
        raise ArtifactError(f"{resized_dims} dimensions of the shape {list(shape)} for {x.ndim} dimensions of x")
    first = x.ndim - resized_dims
    wanted = shape[len(shape) - resized_dims :]
    sizes = {axis: size or x.shape[axis] for axis, size in enumerate(wanted, first)}
    if min(sizes.values(), default=1) < 1 or 0 in x.shape[first:]:
        raise ArtifactError(f"the shape {list(x.shape)} would become {list(sizes.values())}; expected 1 or more")
    budget.room((*x.shape[:first], *sizes.values()), x.itemsize)
    if interpolation_mode == "NEAREST_NEIGHBOR":
        for axis, size in sizes.items():
            places = np.floor(grid(sampling_mode, x.shape[axis], size) + 0.5).astype(np.int64)
            x = x.take(_centred(x.shape[axis], size) if sampling_mode == "DEFAULT" else places, axis=axis)
        return x
    if interpolation_mode != "LINEAR":
        raise ArtifactError(
            f"the interpolation_mode {interpolation_mode!r} is not known; expected LINEAR or NEAREST_NEIGHBOR"
        )
    if x.dtype.kind == "f":
        return _linear(x, sizes, sampling_mode)
    return _linear(x.astype(np.float64), sizes, sampling_mode).astype(x.dtype)


@op("crop", moves=True)
def crop(x: Array, crop_height: tuple[int, ...], crop_width: tuple[int, ...]) -> Array:
    """``x`` without ``crop_height`` rows before and behind, and ``crop_width`` columns."""
    if x.ndim < 3 or len(crop_height) != 2 or len(crop_width) != 2:
        raise ArtifactError(f"x {list(x.shape)} cut by {list(crop_height)} and {list(crop_width)}; expected two each")
    height, width = x.shape[-2:]
    if min(*crop_height, *crop_width) < 0 or sum(crop_height) > height or sum(crop_width) > width:
        raise ArtifactError(f"{list(crop_height)} and {list(crop_width)} cannot be cut off {height} by {width}")
    return x[..., crop_height[0] : height - crop_height[1], crop_width[0] : width - crop_width[1]]
