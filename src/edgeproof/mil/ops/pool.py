"""What stands for each window of the spatial dimensions: the largest, the mean, the root of the sum of squares."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels import sums
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.kernels.windows import Padding, Window, covered, frames, pad_spatial, window
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = ["avg_pool", "l2_pool", "max_pool"]


def _window(
    x: Array,
    kernel: tuple[int, ...],
    strides: tuple[int, ...] | None,
    padding: Padding,
    ceil: bool,
    budget: Budget,
) -> Window:
    if x.ndim < 3:
        raise ArtifactError(f"x has the shape {list(x.shape)}; expected (n, channels, *size)")
    made = window(x.shape[2:], kernel, strides, None, padding, ceil=ceil)
    budget.room((*x.shape[:2], *made.out), x.itemsize)
    if not _is_plain(made) or x.dtype == np.float16:
        budget.room((*x.shape[:2], *made.padded(x.shape[2:])), x.itemsize)
    return made


def _flat(x: torch.Tensor, made: Window) -> tuple[torch.Tensor, tuple[int, ...], tuple[int, ...]]:
    """One spatial dimension as two, for which the kernels are faster: the tensor, the window, its strides."""
    if len(made.kernel) == 1:
        return x.unsqueeze(2), (1, *made.kernel), (1, *made.strides)
    return x, made.kernel, made.strides


def _is_plain(made: Window) -> bool:
    """Whether the kernels pad so by themselves."""
    return made.even and all(2 * a <= k for a, k in zip(made.before, made.kernel, strict=True))


def _summed(x: Array, made: Window) -> Array:
    """The sum over each window of the padded input."""
    padded = functional.pad(tensor(x), pad_spatial(made)) if any(made.before) or any(made.after) else tensor(x)
    rank = len(made.kernel)
    if x.dtype == np.float16:
        return sums.total(frames(array(padded), made), range(2 + rank, 2 + 2 * rank), keepdims=False)
    flat, kernel, strides = _flat(padded, made)
    pooled = functional.avg_pool3d if rank == 3 else functional.avg_pool2d
    result = pooled(flat, kernel, strides, divisor_override=1)
    return array(result if rank > 1 else result.squeeze(2))


@op("max_pool")
def max_pool(
    x: Array,
    kernel_sizes: tuple[int, ...],
    pad_type: str,
    budget: Budget,
    strides: tuple[int, ...] | None = None,
    pad: tuple[int, ...] | None = None,
    ceil_mode: bool = False,
) -> Array:
    """The largest of each window: padding is never taken. ``x`` (n, channels, *size), see ``windows.window``."""
    made = _window(x, kernel_sizes, strides, Padding(pad_type.lower(), pad), ceil_mode, budget)
    flat, kernel, step = _flat(tensor(x), made)
    rank = len(made.kernel)
    if _is_plain(made):
        pads = made.before if rank > 1 else (0, *made.before)
    else:
        flat, pads = functional.pad(flat, pad_spatial(made), value=-np.inf), (0,) * max(rank, 2)
    half = flat.dtype == torch.float16
    result = (functional.max_pool3d if rank == 3 else functional.max_pool2d)(
        flat.float() if half else flat, kernel, step, pads
    )
    result = result if rank > 1 else result.squeeze(2)
    return array(result.half() if half else result)


@op("avg_pool")
def avg_pool(
    x: Array,
    kernel_sizes: tuple[int, ...],
    pad_type: str,
    budget: Budget,
    strides: tuple[int, ...] | None = None,
    pad: tuple[int, ...] | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Array:
    """The mean of each window, padded by 0. ``x`` (n, channels, *size), see ``windows.window``.

    The padding counts as elements unless ``exclude_padding_from_average``; where ``ceil_mode`` lets a window stick out
    of the padding too, that never counts.
    """
    made = _window(x, kernel_sizes, strides, Padding(pad_type.lower(), pad), ceil_mode, budget)
    padded = any(made.before) or any(made.after)
    if x.dtype == np.float32 and _is_plain(made) and not (padded and ceil_mode):
        flat, kernel, step = _flat(tensor(x), made)
        rank, counts = len(made.kernel), not exclude_padding_from_average
        pads = made.before if rank > 1 else (0, *made.before)
        pooled = functional.avg_pool3d if rank == 3 else functional.avg_pool2d
        result = pooled(flat, kernel, step, pads, count_include_pad=counts)
        return array(result if rank > 1 else result.squeeze(2))
    total = _summed(x, made)
    if not padded or not (exclude_padding_from_average or ceil_mode):
        return np.asarray(total / x.dtype.type(np.prod(made.kernel)))
    counted = [0] * len(made.kernel) if exclude_padding_from_average else list(made.before)
    return np.asarray(total / np.maximum(covered(x.shape[2:], made, counted), 1).astype(x.dtype))


@op("l2_pool")
def l2_pool(
    x: Array,
    kernel_sizes: tuple[int, ...],
    pad_type: str,
    budget: Budget,
    strides: tuple[int, ...] | None = None,
    pad: tuple[int, ...] | None = None,
    ceil_mode: bool = False,
) -> Array:
    """The square root of the sum of squares of each window. ``x`` (n, channels, *size), see ``windows.window``."""
    made = _window(x, kernel_sizes, strides, Padding(pad_type.lower(), pad), ceil_mode, budget)
    return np.sqrt(_summed(np.square(x), made))
