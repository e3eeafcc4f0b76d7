"""Transposed convolution as a plain one over an input spread out with zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from edgeproof.formats.rewrites.base import OperatorRewrite

__all__ = ["TRANSPOSED_CONVOLUTION", "overlapped"]


def _spread(x: torch.Tensor, axis: int, stride: int) -> torch.Tensor:
    """``stride - 1`` zeros between the elements of an axis."""
    if stride == 1:
        return x
    size = x.shape[axis]
    wide = x.unsqueeze(axis + 1)
    wide = torch.cat([wide, torch.zeros_like(wide).repeat_interleave(stride - 1, axis + 1)], axis + 1)
    shape = [*x.shape[:axis], size * stride, *x.shape[axis + 1 :]]
    return wide.reshape(shape).narrow(axis, 0, (size - 1) * stride + 1)


def _transposed(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    output_padding: Sequence[int],
    groups: int,
    dilation: Sequence[int],
) -> torch.Tensor:
    """conv_transpose(x, w) = conv(spread(x), flip(w)ᵀ), padded by dilation·(k-1) - p (Dumoulin, Visin, 2016, §4)."""
    dims = x.ndim - 2
    for axis in range(dims):
        x = _spread(x, axis + 2, stride[axis])
    pads: list[int] = []
    for axis in reversed(range(dims)):
        edge = dilation[axis] * (weight.shape[axis + 2] - 1) - padding[axis]
        pads += [edge, edge + output_padding[axis]]
    x = torch.nn.functional.pad(x, pads)
    turned = weight.flip(tuple(range(2, dims + 2)))
    channels_in, channels_out = weight.shape[:2]
    turned = turned.reshape(groups, channels_in // groups, channels_out, *weight.shape[2:]).transpose(1, 2)
    turned = turned.reshape(groups * channels_out, channels_in // groups, *weight.shape[2:])
    convolve = (torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d)[dims - 1]
    return convolve(x, turned, bias, 1, 0, tuple(dilation), groups)


def _per_axis(value: Any, dims: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * dims if len(values) == 1 else values


def _conv_transpose(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    dims = weight.ndim - 2
    if x.ndim != weight.ndim:
        return NotImplemented
    steps, pads, more, spaces = (_per_axis(value, dims) for value in (stride, padding, output_padding, dilation))
    return _transposed(x, weight, bias, steps, pads, more, groups, spaces)


def overlapped(
    x: torch.Tensor,
    size: Sequence[int],
    kernel: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> torch.Tensor:
    """Windows added where they overlap: a transposed convolution whose kernels each have a single one, as a plain one.

    Args:
        x: ``[batch, channels·elements of a window, windows]``, as ``torch.nn.functional.fold`` takes them.
        size: height and width of what the windows are of.
        kernel, dilation, padding, stride: of the windows, along height and width.

    Returns:
        ``[batch, channels, height, width]``.
    """
    elements = kernel[0] * kernel[1]
    counts = [
        (size[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in range(len(kernel))
    ]
    batch, channels = x.shape[0], x.shape[1] // elements
    windows = x.reshape(batch * channels, elements, counts[0], counts[1])
    ones = torch.eye(elements, dtype=x.dtype).reshape(elements, 1, kernel[0], kernel[1])
    whole = _transposed(windows, ones, None, stride, (0, 0), (0, 0), 1, dilation)
    more = [max(0, size[i] + padding[i] - whole.shape[2 + i]) for i in range(2)]
    if any(more):
        whole = torch.nn.functional.pad(whole, [0, more[1], 0, more[0]])
    whole = whole.narrow(2, padding[0], size[0]).narrow(3, padding[1], size[1])
    return whole.reshape(batch, channels, size[0], size[1])


TRANSPOSED_CONVOLUTION = OperatorRewrite(
    name="transposed convolution as a convolution over spread-out input",
    why="the converter cannot legalise a padded transposed convolution",
    rules={
        "aten.conv_transpose1d": _conv_transpose,
        "aten.conv_transpose2d": _conv_transpose,
        "aten.conv_transpose3d": _conv_transpose,
    },
)
