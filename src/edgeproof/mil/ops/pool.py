"""What stands for each window of the spatial dimensions: the largest, the mean, the root of the sum of squares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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

Kernel = Callable[..., torch.Tensor]
MEANS: tuple[Kernel, Kernel] = functional.avg_pool2d, functional.avg_pool3d
LARGEST: tuple[Kernel, Kernel] = functional.max_pool2d, functional.max_pool3d


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


def _pooled(
    kernels: tuple[Kernel, Kernel], x: torch.Tensor, made: Window, pads: tuple[int, ...], **options: Any
) -> torch.Tensor:
    """By torch's kernels over two and three dimensions; one dimension as two, for which they are faster."""
    if len(made.kernel) == 1:
        return kernels[0](x.unsqueeze(2), (1, *made.kernel), (1, *made.strides), (0, *pads), **options).squeeze(2)
    return kernels[len(made.kernel) - 2](x, made.kernel, made.strides, pads, **options)


def _is_plain(made: Window) -> bool:
    """Whether the kernels pad so by themselves."""
    return made.even and all(2 * a <= k for a, k in zip(made.before, made.kernel, strict=True))


def _summed(x: Array, made: Window) -> Array:
    """The sum over each window of the padded input."""
    padded = functional.pad(tensor(x), pad_spatial(made)) if any(made.before) or any(made.after) else tensor(x)
    rank = len(made.kernel)
    if x.dtype == np.float16:
        return sums.total(frames(array(padded), made), range(2 + rank, 2 + 2 * rank), keepdims=False)
    return array(_pooled(MEANS, padded, made, (0,) * rank, divisor_override=1))


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
    given, pads = tensor(x), made.before
    if not _is_plain(made):
        given, pads = functional.pad(given, pad_spatial(made), value=-np.inf), (0,) * len(pads)
    if x.dtype == np.float16:
        return array(_pooled(LARGEST, given.float(), made, pads).half())
    return array(_pooled(LARGEST, given, made, pads))


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
        counts = not exclude_padding_from_average
        return array(_pooled(MEANS, tensor(x), made, made.before, count_include_pad=counts))
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
