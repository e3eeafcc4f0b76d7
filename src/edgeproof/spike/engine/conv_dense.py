"""The C of convolutions that take all inputs: four outputs at a time, or channel by channel.

Channels stand innermost. ``dense`` is the fixed part.
"""

from __future__ import annotations

import numpy as np

from edgeproof.spike.engine.images import framed, pixels, times
from edgeproof.spike.engine.kernels import blocks_of
from edgeproof.spike.engine.layers import bias_of, blocked, weights_of
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import padded
from edgeproof.spike.engine.writing import loop
from edgeproof.spike.program import Convolution

__all__ = ["can_be_dense", "dense_convolution", "is_depthwise"]

DENSE_SHARE = 8
"""Outputs that a group of a convolution must have, to be worth a block of its own."""


def is_depthwise(node: Convolution) -> bool:
    """Whether every channel sees itself alone."""
    return node.groups == node.x.shape[0] == node.shape[0]


def can_be_dense(node: Convolution) -> bool:
    """Whether there is a dense form that fills its vectors."""
    return is_depthwise(node) or node.shape[0] // node.groups >= DENSE_SHARE


def dense_convolution(names: Names, node: Convolution) -> list[str]:
    """A convolution at the step ``at``, by all of its inputs.

    Raises:
        ConversionError: infinity among its weights, or NaN among its numbers.
    """
    return _depthwise(names, node) if is_depthwise(node) else _dense(names, node)


def _dense(names: Names, node: Convolution) -> list[str]:
    """Every output takes all that it sees, four outputs at a time."""
    channels = node.x.shape[0]
    outputs, rows, columns = node.shape
    weight = weights_of(node.weight)
    share, (within, kernel_rows, taps) = outputs // node.groups, weight.shape[1:]
    (down, right), (spread_y, spread_x) = node.stride, node.dilation
    lines, line = framed(names, node)
    one_run = spread_x == 1 and node.groups == 1
    see = names.sizes(
        "window", across=columns, next=right * channels, below=down * line, results=outputs, rows=kernel_rows,
        columns=1 if one_run else taps, down=spread_y * line, right=spread_x * channels,
        length=taps * channels if one_run else within,
    )  # fmt: skip
    width = padded(share)
    grouped = np.zeros((node.groups, width, kernel_rows * taps * within), np.float32)
    bias = np.zeros((node.groups, width), np.float32)
    by_group = weight.reshape(node.groups, share, within, kernel_rows, taps).transpose(0, 1, 3, 4, 2)
    grouped[:, :share] = by_group.reshape(node.groups, share, -1)
    bias[:, :share] = bias_of(node.bias).reshape(node.groups, share)
    w = names.table("w", np.concatenate([blocked(weights) for weights in grouped]))
    b = names.table("k", bias.reshape(-1))
    calls, first, start = [], 0, 0
    for wide, count in blocks_of(width):
        for _ in range(count):
            terms = grouped.shape[2]
            here = [f" + {offset}" if offset else "" for offset in (first, start)]
            by = ["", "", "", ""]
            if node.groups > 1:
                by = [
                    f" + group * {share}",
                    f" + group * {within}",
                    f" + group * {width}",
                    f" + (size_t)group * {width * terms}",
                ]
            calls.append(
                f"{names.function(f'dense{wide}')}(y{by[0]}{here[0]}, image{by[1]}, &{see}, {b}{by[2]}{here[0]}, "
                f"{w}{by[3]}{here[1]}, {rows * columns}, {min(wide, share - first)});"
            )
            first, start = first + wide, start + wide * terms
    if node.groups > 1:
        calls = loop(f"for (int group = 0; group < {node.groups}; group++)", calls)
    return [*lines, f"float *const y = {names.row(node)};", *calls]


def _depthwise(names: Names, node: Convolution) -> list[str]:
    """Every channel sees itself alone: a window's numbers times their weights, channel by channel."""
    channels, rows, columns = node.shape
    weight = weights_of(node.weight)
    kernel_rows, taps = weight.shape[2:]
    lines, line = framed(names, node)
    w = names.table("w", np.ascontiguousarray(weight.transpose(2, 3, 1, 0)).reshape(-1))
    b = names.table("k", bias_of(node.bias))
    (down, right), (spread_y, spread_x) = node.stride, node.dilation
    seen = f"image + (size_t)(row{times(down)} + ky{times(spread_y)}) * {line}"
    seen += f" + (column{times(right)} + kx{times(spread_x)}) * {channels}"
    weigh = f"{names.function('weigh')}(y, {seen}, {w} + (ky * {taps} + kx) * {channels}, {channels});"
    place = [
        f"float *const y = results + (row * {columns} + column) * {channels};",
        f"memcpy(y, {b}, {channels * 4});",
        *loop(f"for (int ky = 0; ky < {kernel_rows}; ky++)", loop(f"for (int kx = 0; kx < {taps}; kx++)", [weigh])),
    ]
    return [*lines, f"float *const results = {names.row(node)};", *pixels(rows, columns, place)]
