"""The C of convolutions in whole numbers: all inputs, or each event adds its weights to the outputs that see it.

Channels stand innermost.
"""

from __future__ import annotations

import numpy as np

from edgeproof.spike.engine.conv_events import place_seen
from edgeproof.spike.engine.images import plus, times
from edgeproof.spike.engine.layout import channels_of, places
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import padded
from edgeproof.spike.engine.writing import block, loop
from edgeproof.spike.fixed.dense import DENSE_WIDTHS
from edgeproof.spike.fixed.layers import blocks, finish, finishing, listed
from edgeproof.spike.fixed.program import Fixed
from edgeproof.spike.fixed.straight import elements, is_straight, straight_events
from edgeproof.spike.program import Convolution, Pool

__all__ = ["convolution", "is_dense"]


DENSE_ABOVE = 0.3
"""The share of inputs that are not zero above which taking all of them is quicker."""


def convolution(names: Names, fixed: Fixed, node: Convolution, pooled: Pool | None = None) -> list[str]:
    """A convolution at the step ``at``; of one that is straight and takes events, with the maximum that follows."""
    if is_dense(fixed, node):
        return _dense(names, fixed, node)
    found = finishing(names, fixed, node) if is_straight(node) else None
    return _events(names, fixed, node) if found is None else straight_events(names, fixed, node, found, pooled)


def is_dense(fixed: Fixed, node: Convolution) -> bool:
    """Whether it takes all of its inputs."""
    return node.groups == node.dilation[1] == 1 and fixed.activity[node] > DENSE_ABOVE


def _dense(names: Names, fixed: Fixed, node: Convolution) -> list[str]:
    """Every output takes all that it sees."""
    channels, height, width = node.x.shape
    outputs, rows, columns = node.shape
    kernel_rows, taps = node.weight.shape[2:]
    (top, left), (down, right) = node.padding, node.stride
    line = (width + 2 * left) * channels
    frame = names.need(f"frame{names.number(node)}", "int16_t", (height + 2 * top) * line + 1)
    copied, x = _image(names, node)
    row = width * channels
    to, source = f"{frame} + {top * line + left * channels} + row * {line}", f"{x} + row * {row}"
    if fixed.is_spikes(node.x):
        narrowed = f"{names.function('widened')}({to}, {source}, {row});"
    else:
        layer = fixed.layers[node]
        narrowed = f"{names.function('narrowed')}({to}, {source}, {row}, {layer.narrow}, {layer.most});"
    length = taps * channels
    see = names.sizes(
        "window", across=columns, next=right * channels, below=down * line, results=outputs, rows=kernel_rows,
        down=node.dilation[0] * line, pairs=-(-length // 2),
    )  # fmt: skip
    by_run = fixed.layers[node].weight.transpose(0, 2, 3, 1).reshape(outputs, kernel_rows, length)
    paired = np.zeros((padded(outputs), kernel_rows, length + length % 2), np.int8)
    paired[:outputs, :, :length] = by_run
    pairs = paired.reshape(len(paired), -1, 2)
    lines = [
        *copied,
        *loop(f"for (int row = 0; row < {height}; row++)", [narrowed]),
        f"int32_t *const y = {names.row(node)};",
    ]
    for wide, first in blocks(padded(outputs), DENSE_WIDTHS):
        table = names.table("w", pairs[first : first + wide].transpose(1, 0, 2).reshape(-1))
        call = f"{names.function(f'dense{wide}')}(y{plus(first)}, {frame}, &{see}, {table}, {rows * columns}"
        lines.append(f"{call}, {outputs - first});")
    return [*lines, *finish(names, fixed, node)]


def _image(names: Names, node: Convolution) -> tuple[list[str], str]:
    """C that copies an image, if its channels do not stand innermost; and where it is at the step ``at``."""
    x = node.x
    if names.schedule.layouts.of(x) == channels_of(x.shape):
        return [], names.row(x)
    elements = np.argsort(places(x.size, x.shape[0]))
    table = names.table("p", names.schedule.layouts.places(x)[elements].astype(np.int32))
    of = names.numbers.type_of(x)
    to = names.need("sorted8" if of == "int8_t" else "sorted", of, padded(x.size))
    return loop(f"for (int i = 0; i < {x.size}; i++)", [f"{to}[i] = {names.element(x, f'{table}[i]')};"]), to


def _events(names: Names, fixed: Fixed, node: Convolution) -> list[str]:
    """Each event adds its weights to the outputs that see it."""
    layer = fixed.layers[node]
    found, valued = listed(names, fixed, node)
    channels, _, width = node.x.shape
    outputs, rows, columns = node.shape
    kernel_rows, taps = node.weight.shape[2:]
    share, within = outputs // node.groups, node.weight.shape[1]
    grouped = layer.weight.reshape(node.groups, share, within, kernel_rows, taps).transpose(0, 2, 3, 4, 1)
    table = names.table("w", np.ascontiguousarray(grouped).reshape(-1))
    first = f" + channel / {within} * {share}" if node.groups > 1 else ""
    tap = [
        *place_seen("left", "column", f"kx{times(node.dilation[1])}", node.stride[1], columns),
        f"const int8_t *const w = {table} + (((size_t)channel * {kernel_rows} + ky) * {taps} + kx) * {share};",
        f"int32_t *const to = y + (line * {columns} + left) * {outputs}{first};",
        f"for (int o = 0; o < {share}; o++) to[o] += {'w[o] * value' if valued else 'w[o]'};",
    ]
    down = [
        *place_seen("line", "row", f"ky{times(node.dilation[0])}", node.stride[0], rows),
        *block(f"for (int kx = 0; kx < {taps}; kx++)", tap),
    ]
    order = elements(names, node)
    event = [
        f"const int event = {f'{order}[list[k]]' if order else '(int)list[k]'};",
        f"const int channel = event % {channels}, place = event / {channels};",
        f"const int row = place / {width}{plus(node.padding[0])}, column = place % {width}{plus(node.padding[1])};",
        *(["const int32_t value = values[k];"] if valued else []),
        *block(f"for (int ky = 0; ky < {kernel_rows}; ky++)", down),
    ]
    added = block("for (uint32_t k = 0; k < count; k++)", event)
    zeros = f"memset(y, 0, {node.size * 4});"
    return [f"int32_t *const y = {names.row(node)};", *found, zeros, *added, *finish(names, fixed, node)]
