"""The C of convolutions by events: each adds its weights to the outputs that see it, or each output sums up its own.

Channels stand innermost. ``runs`` is the fixed part of the second form.
"""

from __future__ import annotations

import math

import numpy as np

from edgeproof.spike.engine.images import image, plus, times
from edgeproof.spike.engine.kernels import blocks_of
from edgeproof.spike.engine.layers import bias_of, blocked, weights_of
from edgeproof.spike.engine.lists import SPARE, TOGETHER
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import LANES, padded
from edgeproof.spike.engine.writing import block, loop
from edgeproof.spike.program import Convolution

__all__ = ["can_be_windows", "events_added", "events_summed", "place_seen"]


def can_be_windows(node: Convolution) -> bool:
    """Whether a row of its window is a run of the list of events."""
    return node.groups == 1 and node.dilation[1] == 1


def events_added(names: Names, node: Convolution) -> list[str]:
    """Each input that is not zero adds its weights to the outputs that see it.

    Raises:
        ConversionError: infinity among its weights, or NaN among its numbers.
    """
    channels, _, width = node.x.shape
    outputs, rows, _ = node.shape
    weight = weights_of(node.weight)
    kernel_rows = weight.shape[2]
    copied, x = image(names, node.x)
    listed = names.need("list", "uint32_t", padded(node.x.size) + SPARE)
    straight = node.stride[1] == node.dilation[1] == node.groups == 1
    binary = node.x in names.schedule.binary
    pad_y, pad_x = node.padding
    same = np.tile(bias_of(node.bias), LANES // math.gcd(LANES, outputs))
    inner = _straight(names, node, binary) if straight else _scattered(names, node, binary)
    if node.stride[0] == node.dilation[0] == 1:
        over = [
            f"const int first = row < {rows} ? 0 : row - {rows - 1};",
            f"const int last = row < {kernel_rows} ? row : {kernel_rows - 1};",
            *block("for (int ky = first; ky <= last; ky++)", ["const int to = row - ky;", *inner]),
        ]
    else:
        over = block(
            f"for (int ky = 0; ky < {kernel_rows}; ky++)",
            [
                *place_seen("to", "row", f"ky{times(node.dilation[0])}", node.stride[0], rows),
                *inner,
            ],
        )
    return [
        *copied,
        f"const float *const x = {x};",
        f"float *const y = {names.row(node)};",
        f"const uint32_t count = {names.function('nonzero')}(x, {node.x.size}, {listed});",
        f"{names.function('fill')}(y, {names.table('k', same)}, {same.size}, {node.size});",
        *block(
            "for (uint32_t k = 0; k < count; k++)",
            [
                f"const int channel = (int)({listed}[k] % {channels}), place = (int)({listed}[k] / {channels});",
                f"const int row = place / {width}{plus(pad_y)}, column = place % {width}{plus(pad_x)};",
                *([] if binary else [f"const float value = x[{listed}[k]];"]),
                *over,
            ],
        ),
    ]


def _straight(names: Names, node: Convolution, binary: bool) -> list[str]:
    """Outputs that see the input stand side by side, and so do its weights, last tap first."""
    outputs, _, columns = node.shape
    weight = weights_of(node.weight)
    kernel_rows, taps = weight.shape[2:]
    table = names.table("w", np.ascontiguousarray(weight.transpose(1, 2, 3, 0)[:, :, ::-1]).reshape(-1))
    value, add = "1.0f" if binary else "value", names.function("add")
    whole = f"{add}(y + (to * {columns} + column - {taps - 1}) * {outputs}, w, {taps * outputs}, {value});"
    part = [
        f"const int left = column < {taps - 1} ? 0 : column - {taps - 1};",
        f"const int right = column < {columns} ? column : {columns - 1};",
        f"{add}(y + (to * {columns} + left) * {outputs}, w + (left - column + {taps - 1}) * {outputs}, "
        f"(right - left + 1) * {outputs}, {value});",
    ]
    return [
        f"const float *const w = {table} + ((size_t)channel * {kernel_rows} + ky) * {taps * outputs};",
        *loop(f"if (column >= {taps - 1} && column < {columns})", [whole]),
        *block("else", part),
    ]


def _scattered(names: Names, node: Convolution, binary: bool) -> list[str]:
    """With a stride, dilation or groups each tap has its place."""
    outputs, _, columns = node.shape
    weight = weights_of(node.weight)
    share, (within, kernel_rows, taps) = outputs // node.groups, weight.shape[1:]
    grouped = weight.reshape(node.groups, share, within, kernel_rows, taps).transpose(0, 2, 3, 4, 1)
    table = names.table("w", np.ascontiguousarray(grouped).reshape(-1))
    first = f" + channel / {within} * {share}" if node.groups > 1 else ""
    weights = f"{table} + (((size_t)channel * {kernel_rows} + ky) * {taps} + kx) * {share}"
    target = f"y + (to * {columns} + left) * {outputs}{first}"
    return block(
        f"for (int kx = 0; kx < {taps}; kx++)",
        [
            *place_seen("left", "column", f"kx{times(node.dilation[1])}", node.stride[1], columns),
            f"{names.function('add')}({target}, {weights}, {share}, {'1.0f' if binary else 'value'});",
        ],
    )


def place_seen(name: str, at: str, tap: str, stride: int, most: int) -> list[str]:
    """Where the output stands that sees a place by a tap, if there is one."""
    step = f"{name}_step"
    if stride == 1:
        return [f"const int {name} = {at} - {tap};", f"if ({name} < 0 || {name} >= {most}) continue;"]
    return [
        f"const int {step} = {at} - {tap}, {name} = {step} / {stride};",
        f"if ({step} < 0 || {step} % {stride} || {name} >= {most}) continue;",
    ]


def events_summed(names: Names, node: Convolution) -> list[str]:
    """Each output sums up the events in its window.

    Raises:
        ConversionError: infinity among its weights, or NaN among its numbers.
    """
    channels, height, width = node.x.shape
    outputs, rows, columns = node.shape
    weight = weights_of(node.weight)
    taps_down, taps_right = weight.shape[2:]
    see = names.sizes(
        "sight", height=height, width=width, channels=channels, taps_down=taps_down, taps_right=taps_right,
        down=node.stride[0], right=node.stride[1], spread=node.dilation[0], top=node.padding[0], left=node.padding[1],
        rows=rows, columns=columns, outputs=outputs,
    )  # fmt: skip
    wide = padded(outputs)
    terms, spikes = taps_down * taps_right * channels, node.x in names.schedule.binary
    by_output, bias = np.zeros((wide, terms + spikes), np.float32), np.zeros(wide, np.float32)
    by_output[:outputs, :terms] = weight.transpose(0, 2, 3, 1).reshape(outputs, -1)
    bias[:outputs] = bias_of(node.bias)
    w, b = names.table("w", by_output.T.reshape(-1) if spikes else blocked(by_output)), names.table("k", bias)
    copied, x = image(names, node.x)
    listed = names.need("list", "uint32_t", padded(node.x.size) + SPARE)
    begin = names.need("begin", "uint32_t", height * width + 1)
    lines = [
        *copied,
        f"const float *const x = {x};",
        f"float *const y = {names.row(node)};",
        f"{names.function('begins')}(x, {channels}, {height * width}, {listed}, {begin});",
    ]
    blocks, first = [], 0
    for block_width, count in blocks_of(wide):
        for _ in range(count):
            blocks.append((block_width, min(block_width, outputs - first), first))
            first += block_width
    if not spikes:
        return [
            *lines,
            *(
                f"{names.function(f'runs{block_width}')}(y{plus(first)}, &{see}, {b}{plus(first)}, "
                f"{w}{plus(first * terms)}, {listed}, {begin}, x, {wanted});"
                for block_width, wanted, first in blocks
            ),
        ]
    room, most = terms + SPARE, min(columns, TOGETHER)
    found = names.need("seen", "uint32_t", TOGETHER * room)
    windows = [
        f"const int column = left < {columns - most} ? left : {columns - most};",
        f"const uint32_t events = {names.function(f'seen{most}')}({see}, row, column, {listed}, {begin}, {wide}, "
        f"{terms * wide}, {found}, {room});",
        f"float *const to = y + (row * {columns} + column) * {outputs};",
        *(
            f"{names.function(f'near{block_width}')}(to{plus(first)}, {outputs}, {b}{plus(first)}, {w}{plus(first)}, "
            f"{found}, {room}, events, {most}, {wanted});"
            for block_width, wanted, first in blocks
        ),
    ]
    rowwise = block(f"for (int left = 0; left < {columns}; left += {most})", windows)
    plain = [
        f"{names.function(f'near{block_width}')}(y{plus(first)}, &{see}, {b}{plus(first)}, {w}{plus(first)}, {wide}, "
        f"{listed}, {begin}, {wanted});"
        for block_width, wanted, first in blocks
    ]
    by_rows = loop(f"for (int row = 0; row < {rows}; row++)", rowwise)
    return [*lines, "#if LANES > 1", *by_rows, "#else", *plain, "#endif"]
