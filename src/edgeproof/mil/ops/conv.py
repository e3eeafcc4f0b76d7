"""Convolutions over one to three spatial dimensions. Sums of float16 are taken in float16."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels import sums
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.kernels.windows import Padding, Window, frames, pad_spatial, widen, window
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = ["conv", "conv_quantized", "conv_transpose"]

CONVOLUTIONS = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
TRANSPOSED = {1: torch.conv_transpose1d, 2: torch.conv_transpose2d, 3: torch.conv_transpose3d}


def _check(x: Array, weight: Array, bias: Array | None, groups: int, channels: tuple[int, int]) -> None:
    """``channels`` are those in and out that the weight tells."""
    if not 3 <= x.ndim <= 5 or weight.ndim != x.ndim:
        raise ArtifactError(
            f"x {list(x.shape)} and weight {list(weight.shape)}; expected 3 to 5 dimensions, as many each"
        )
    if groups < 1 or channels[0] != x.shape[1] or channels[0] % groups or channels[1] % groups:
        raise ArtifactError(f"x {list(x.shape)} and weight {list(weight.shape)} do not fit in {groups} groups")
    if bias is not None and bias.shape != (channels[1],):
        raise ArtifactError(f"the bias has the shape {list(bias.shape)}; expected {[channels[1]]}")


def _halves(x: Array, weight: Array, made: Window, groups: int, budget: Budget) -> Array:
    """A convolution of a padded float16 input, term after term in float16: channels outside, kernel inside."""
    n, channels, *_ = x.shape
    out = weight.shape[0]
    budget.room((n, channels, *made.out, *made.kernel))
    terms = frames(x, made)
    rank = len(made.kernel)
    order = (0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))
    columns = terms.transpose(order).reshape(n, groups, channels // groups * int(np.prod(made.kernel)), -1)
    rows = weight.reshape(groups, out // groups, -1)
    return sums.matmul(rows, columns).reshape(n, out, *made.out)


def _biased(x: Array, bias: Array | None) -> Array:
    return x if bias is None else x + bias.reshape(-1, *(1,) * (x.ndim - 2))


@op("conv")
def conv(
    x: Array,
    weight: Array,
    budget: Budget,
    bias: Array | None = None,
    strides: tuple[int, ...] | None = None,
    pad_type: str = "valid",
    pad: tuple[int, ...] | None = None,
    dilations: tuple[int, ...] | None = None,
    groups: int = 1,
) -> Array:
    """The sum of products of ``weight`` and what it covers, plus ``bias``, for each place in the padded ``x``.

    ``x`` (n, in, *size), ``weight`` (out, in / groups, *kernel), ``bias`` (out); gives (n, out, *places) with
    ``floor((size + pads - (kernel - 1) * dilation - 1) / stride) + 1`` places. Input channels of a group make the
    output channels of that group. Padding is by 0: see ``windows.window`` for ``pad_type``. ``weight`` and ``bias`` may
    have another dtype than ``x``, whose dtype counts.
    """
    out = weight.shape[0] if weight.ndim else 0
    _check(x, weight, bias, groups, (weight.shape[1] * groups if weight.ndim > 1 else 0, out))
    made = window(x.shape[2:], weight.shape[2:], strides, dilations, Padding(pad_type, pad))
    budget.room((x.shape[0], out, *made.out), x.itemsize)
    weight = weight.astype(x.dtype, copy=False)
    bias = None if bias is None else bias.astype(x.dtype, copy=False)
    given, even = tensor(x), made.even and x.dtype == np.float32
    if not even:
        budget.room((*x.shape[:2], *made.padded(x.shape[2:])), x.itemsize)
        given = functional.pad(given, pad_spatial(made))
    if x.dtype == np.float16:
        return _biased(_halves(array(given), weight, made, groups, budget), bias)
    return array(
        CONVOLUTIONS[len(made.kernel)](
            given,
            tensor(weight),
            None if bias is None else tensor(bias),
            made.strides,
            made.before if even else (0,) * len(made.kernel),
            made.dilations,
            groups,
        )
    )


@op("conv_quantized")
def conv_quantized(
    x: Array,
    weight: Array,
    quantization_type: str,
    quant_scale: Array,
    quant_bias: Array,
    budget: Budget,
    bias: Array | None = None,
    nbits: int = 8,
    strides: tuple[int, ...] | None = None,
    pad_type: str = "valid",
    pad: tuple[int, ...] | None = None,
    dilations: tuple[int, ...] | None = None,
    groups: int = 1,
) -> Array:
    """``conv`` with ``weight * quant_scale + quant_bias`` for the weight, of uint8.

    ``quant_scale`` and ``quant_bias`` are one number or one per output channel. Only ``linear`` is defined; a table
    (``lut``) has no parameter to stand in.
    """
    if quantization_type != "linear" or nbits != 8:
        raise ArtifactError(f"weights are {quantization_type!r} of {nbits} bits; expected 'linear' of 8")

    def spread(given: Array) -> Array:
        if given.size not in (1, weight.shape[0]):
            raise ArtifactError(f"the quantization has the shape {list(given.shape)} for {weight.shape[0]} channels")
        return given.astype(x.dtype, copy=False).reshape(-1, *(1,) * (weight.ndim - 1))

    budget.room(weight.shape, x.itemsize)
    opened = weight.astype(x.dtype) * spread(quant_scale) + spread(quant_bias)
    return conv(x, opened, budget, bias, strides, pad_type, pad, dilations, groups)


@op("conv_transpose")
def conv_transpose(
    x: Array,
    weight: Array,
    budget: Budget,
    bias: Array | None = None,
    pad: tuple[int, ...] | None = None,
    output_shape: tuple[int, ...] | None = None,
    pad_type: str = "valid",
    strides: tuple[int, ...] | None = None,
    dilations: tuple[int, ...] | None = None,
    groups: int = 1,
) -> Array:
    """Each element of ``x`` puts the weight times itself into the output, ``strides`` apart; what overlaps is summed.

    ``x`` (n, in, *size), ``weight`` (in, out / groups, *kernel), ``bias`` (out). That makes
    ``(size - 1) * stride + (kernel - 1) * dilation + 1`` elements (``valid``). ``custom`` cuts ``pad`` off before and
    after. ``same`` leaves ``size * stride``: what a ``same`` convolution would have come from. ``output_shape``
    (n, out, *size) tells the size instead: it is cut off behind, or filled with 0, before the bias is added.
    """
    out = weight.shape[1] * groups if weight.ndim > 1 else 0
    _check(x, weight, bias, groups, (weight.shape[0] if weight.ndim else 0, out))
    rank = x.ndim - 2
    made = Window(weight.shape[2:], widen(strides, rank, 1, "strides"), widen(dilations, rank, 1, "dilations"))
    whole = [(size - 1) * s + wide for size, s, wide in zip(x.shape[2:], made.strides, made.size, strict=True)]
    cut, sizes = _cut(x, made, whole, pad_type, pad)
    if output_shape is not None:
        if len(output_shape) != x.ndim or output_shape[:2] != (x.shape[0], out) or min(output_shape[2:]) < 1:
            raise ArtifactError(
                f"the output_shape is {list(output_shape)}; expected {[x.shape[0], out]} and {rank} sizes"
            )
        sizes = list(output_shape[2:])
        if pad_type == "same":
            spare = [
                max(0, (size - 1) * s + wide - wanted)
                for size, s, wide, wanted in zip(x.shape[2:], made.strides, made.size, sizes, strict=True)
            ]
            cut = [excess // 2 for excess in spare]
    budget.room((x.shape[0], out, *whole), x.itemsize)
    budget.room((x.shape[0], out, *sizes), x.itemsize)
    weight = weight.astype(x.dtype, copy=False)
    bias = None if bias is None else bias.astype(x.dtype, copy=False)
    if x.dtype == np.float16:
        full = _halves_transposed(x, weight, made, whole, groups, budget)
        return _biased(_placed(full, cut, sizes), bias)
    fits = all(wanted == size - 2 * first for wanted, size, first in zip(sizes, whole, cut, strict=True))
    kernel, added = TRANSPOSED[rank], None if bias is None else tensor(bias)
    if fits and min(cut) >= 0:
        return array(kernel(tensor(x), tensor(weight), added, made.strides, cut, 0, groups, made.dilations))
    full = array(kernel(tensor(x), tensor(weight), None, made.strides, 0, 0, groups, made.dilations))
    return _biased(_placed(full, cut, sizes), bias)


def _cut(
    x: Array, made: Window, whole: list[int], pad_type: str, pad: tuple[int, ...] | None
) -> tuple[list[int], list[int]]:
    """What is cut off before each dimension, and what size is left."""
    if pad_type == "valid":
        return [0] * len(whole), whole
    if pad_type == "custom":
        given = widen(pad, 2 * len(whole), 0, "pads")
        return list(given[::2]), [size - a - b for size, a, b in zip(whole, given[::2], given[1::2], strict=True)]
    if pad_type != "same":
        raise ArtifactError(f"the pad_type {pad_type!r} is not known; expected valid, same or custom")
    sizes = [size * stride for size, stride in zip(x.shape[2:], made.strides, strict=True)]
    return [max(0, size - left) // 2 for size, left in zip(whole, sizes, strict=True)], sizes


def _placed(full: Array, cut: list[int], sizes: list[int]) -> Array:
    """``sizes`` elements from ``cut`` on; 0 where there are none."""
    ends = [(-first, first + wanted - size) for first, wanted, size in zip(cut, sizes, full.shape[2:], strict=True)]
    return array(functional.pad(tensor(full), [side for pair in reversed(ends) for side in pair]))


def _halves_transposed(x: Array, weight: Array, made: Window, whole: list[int], groups: int, budget: Budget) -> Array:
    """The same sum as a convolution of ``x`` spread out with zeros, whose products change no sum."""
    spread = np.zeros(
        (*x.shape[:2], *(size + wide - 1 for size, wide in zip(whole, made.size, strict=True))), np.float16
    )
    places = tuple(
        slice(wide - 1, wide - 1 + (size - 1) * stride + 1, stride)
        for size, wide, stride in zip(x.shape[2:], made.size, made.strides, strict=True)
    )
    spread[(slice(None), slice(None), *places)] = x
    rank = len(whole)
    grouped = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:]).swapaxes(1, 2)
    flipped = np.flip(grouped, axis=tuple(range(3, 3 + rank)))
    dense = Window(made.kernel, (1,) * rank, made.dilations)
    dense.out = tuple(whole)
    return _halves(spread, flipped.reshape(groups * weight.shape[1], -1, *made.kernel), dense, groups, budget)
