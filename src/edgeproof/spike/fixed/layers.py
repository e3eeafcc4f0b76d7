"""The C of linear layers in whole numbers, and what layers have in common: lists of inputs, and sums brought to units."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from edgeproof.spike.engine.images import plus
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import LANES, padded
from edgeproof.spike.engine.writing import block, loop
from edgeproof.spike.fixed.program import LIMIT, MOST, Fixed
from edgeproof.spike.program import Array, Convolution, Linear, Program, walk

__all__ = ["blocks", "finish", "linear", "listed", "place_type", "sum_bounds"]

ROW = 4
"""A row of weights is a multiple of this long."""
WIDTHS = (128, 64, 32, 16)
"""Outputs summed up together, in registers."""


def place_type(program: Program) -> str:
    """What holds the place of a layer's input."""
    sizes = [node.x.size for node in walk(program.roots()) if isinstance(node, (Linear, Convolution))]
    return "uint16_t" if max(sizes, default=0) <= 1 << 16 else "uint32_t"


def linear(names: Names, fixed: Fixed, node: Linear) -> list[str]:
    """A linear layer at the step ``at``: rows of weights, one for each input that is not zero."""
    layer = fixed.layers[node]
    seen, stands = names.schedule.layouts.places(node.x), names.schedule.layouts.places(node)
    stride = -(-node.size // ROW) * ROW
    weight = np.zeros((node.x.size, stride), np.int8)
    weight[np.ix_(seen, stands)] = layer.weight.T
    # A block reads on behind the last row.
    table = names.table("w", np.concatenate([weight.reshape(-1), np.zeros(padded(node.size) - stride, np.int8)]))
    found, values = listed(names, fixed, node)
    rows: list[str] = []
    weighed: list[str] = []
    for wide, first in blocks(padded(node.size), WIDTHS):
        begin = f"y{plus(first)}, {table}{plus(first)}, {stride}, list"
        rows.append(f"{names.function(f'rows{wide}')}({begin}, count);")
        if values:
            weighed.append(f"{names.function(f'weighed{wide}')}({begin}, values, count);")
    if values:
        rows.append(f"{names.function('times')}(y, {padded(node.size)}, same);")
        same = f"const int32_t same = {names.function('same')}(values, count);"
        rows = [same, *block("if (same)", rows), *block("else", weighed)]
    lines = [f"int32_t *const y = {names.row(node)};", *found, *rows]
    return [*lines, *finish(names, fixed, node)]


def listed(names: Names, fixed: Fixed, node: Linear | Convolution) -> tuple[list[str], bool]:
    """C for the ``list`` of a layer's inputs that are not zero, their ``count``, and their ``values`` if not all are 1.

    Returns:
        the lines, and whether there are values.
    """
    size, of = node.x.size, place_type(fixed.program)
    room = padded(size) + LANES
    lines = [f"{of} *const list = {names.need('list', of, room)};"]
    x = names.row(node.x)
    if fixed.is_spikes(node.x):
        return [*lines, f"const uint32_t count = {names.function('spikes')}({x}, {size}, list);"], False
    layer = fixed.layers[node]
    lines.append(f"int16_t *const values = {names.need('values', 'int16_t', room)};")
    call = f"{names.function('events')}({x}, {size}, {layer.narrow}, {layer.most}, list, values)"
    return [*lines, f"const uint32_t count = {call};"], True


def sum_bounds(fixed: Fixed, node: Linear | Convolution) -> Array:
    """The largest magnitude of each output's sum, int64 [outputs]."""
    layer = fixed.layers[node]
    most = 1 if fixed.is_spikes(node.x) else layer.most
    return np.asarray(np.abs(layer.weight.astype(np.int64)).reshape(len(layer.weight), -1).sum(axis=1) * most)


def finish(names: Names, fixed: Fixed, node: Linear | Convolution) -> list[str]:
    """C that brings the sums ``y`` of a layer to its unit, and adds the bias. A convolution's outputs stand innermost."""
    layer = fixed.layers[node]
    parts = [layer.factor, layer.bias]
    if isinstance(node, Linear):
        parts = [_placed(values, names.schedule.layouts.places(node)) for values in parts]
    clamp = _clamp(fixed, node)
    if clamp is None:
        f, b = (names.table(kind, values) for kind, values in zip("fb", parts, strict=True))
        at = f"[i % {len(layer.bias)}]"
        return loop(
            f"for (int i = 0; i < {node.size}; i++)", [f"y[i] = scaled(y[i], {f}{at}, {layer.shift}, {b}{at});"]
        )
    most, bounded = clamp
    outputs = len(layer.bias)
    period = padded(outputs) if node.size == outputs else math.lcm(outputs, LANES)
    if node.size == outputs:
        parts = [np.pad(values, (0, period - outputs)) for values in parts]
    f, b = (names.table(kind, np.resize(values, period)) for kind, values in zip("fb", parts, strict=True))
    call = f"{names.function('finish')}(y, {padded(node.size)}, {period}, {f}, {layer.shift}, {b}, {most}"
    return [f"{call}, {int(bounded)});"]


def _clamp(fixed: Fixed, node: Linear | Convolution) -> tuple[int, bool] | None:
    """What sums are held to before they are multiplied, so that 32 bits hold the result; 0: they need not be.

    Returns:
        that, and whether the result cannot go beyond ``LIMIT``; None where no such number exists.
    """
    layer = fixed.layers[node]
    bounds = [int(bound) for bound in sum_bounds(fixed, node)]
    pairs = list(zip(map(int, layer.factor), (abs(int(bias)) for bias in layer.bias), strict=True))
    half = 1 << (layer.shift - 1)

    def largest(sums: list[int]) -> int:
        return max(((total * f + half) >> layer.shift) + b for total, (f, b) in zip(sums, pairs, strict=True))

    if (most := largest(bounds)) <= MOST:
        return 0, most <= LIMIT
    # Beyond this sum an output is held to LIMIT, whatever its bias.
    enough = [min(s, -(-((LIMIT + b) << layer.shift) // f)) if f else s for s, (f, b) in zip(bounds, pairs, strict=True)]
    held = max(enough)
    return (held, False) if largest([min(s, held) for s in bounds]) <= MOST else None


def _placed(values: Array, stands: Array) -> Array:
    found = np.empty_like(values)
    found[stands] = values
    return found


def blocks(size: int, widths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(width, first output) of the blocks of so many outputs, a multiple of 16."""
    first = 0
    for width in widths:
        while size - first >= width:
            yield width, first
            first += width
