"""The C of linear layers in whole numbers, and what layers have in common: lists of inputs, sums brought to units."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgeproof.spike.engine.images import plus
from edgeproof.spike.engine.layers import Span, each_step
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import LANES, padded
from edgeproof.spike.engine.writing import block, loop
from edgeproof.spike.fixed.names import events_of, place_type
from edgeproof.spike.fixed.program import LIMIT, MOST, Fixed
from edgeproof.spike.fixed.words import shift_up
from edgeproof.spike.program import Array, Convolution, Linear, storage

__all__ = ["Finish", "blocks", "clamp", "finish", "finishing", "linear", "listed"]

ROW = 4
"""A row of weights is a multiple of this long."""
WIDTHS = (512, 128, 64, 32, 16)
"""Outputs summed up together, in registers."""


def linear(names: Names, fixed: Fixed, node: Linear, span: Span) -> list[str]:
    """A linear layer: all spikes where that is quicker and there are vectors, else a row of weights for each event."""
    if not takes_quads(fixed, node):
        return each_step(span, _rows(names, fixed, node, "w"))
    rows = each_step(span, _rows(names, fixed, node, "r"))
    for name in set(re.findall(r"\br\d+\b", " ".join(rows))):
        _only(names, name, "#ifndef QUADS")
    return ["#ifdef QUADS", *_quads(names, fixed, node, span), "#else", *rows, "#endif"]


def takes_quads(fixed: Fixed, node: Linear) -> bool:
    """Whether taking all spikes is quicker than rows of weights for those that there are, with vectors."""
    if not fixed.is_spikes(node.x) or clamp(fixed, node) is None:
        return False
    events = fixed.activity[node] * node.x.size
    blocks_of_16 = padded(node.size) // 16
    return node.x.size / 4 * blocks_of_16 < 20 + events * (2.5 + blocks_of_16 / 2)


def _quads(names: Names, fixed: Fixed, node: Linear, span: Span) -> list[str]:
    """All spikes, four at a time."""
    quads, size = -(-node.x.size // 4), padded(node.size)
    seen, stands = names.schedule.layouts.places(node.x), names.schedule.layouts.places(node)
    weight = np.zeros((size, 4 * quads), np.int8)
    weight[np.ix_(stands, seen)] = fixed.layers[node].weight
    blocks_of_16 = weight.reshape(size // 16, 16, quads, 4).transpose(0, 2, 1, 3)
    table = names.table("q", blocks_of_16.reshape(-1))
    _only(names, table, "#ifdef QUADS")
    at, steps = ("0", "steps") if span == "chunk" else ("at", "1")
    call = f"{names.function('quads')}(y, {names.row(node.x, at)}, {table}, {quads}, {size}, {padded(node.x.size)}"
    lines = [f"int32_t *const y = {names.row(node, at)};", f"{call}, {steps});"]
    return block("", [*lines, *finish(names, fixed, node, f"{steps} * {size}")])


def _only(names: Names, table: str, condition: str) -> None:
    """A table is there under a condition."""
    for at, text in enumerate(names.tables):
        if f" {table}[" in text:
            names.tables[at] = f"{condition}\n{text}#endif\n"


def _rows(names: Names, fixed: Fixed, node: Linear, kind: str) -> list[str]:
    """A row of weights for each input that is not zero, at the step ``at``."""
    layer = fixed.layers[node]
    seen, stands = names.schedule.layouts.places(node.x), names.schedule.layouts.places(node)
    stride = -(-node.size // ROW) * ROW
    weight = np.zeros((node.x.size, stride), np.int8)
    weight[np.ix_(seen, stands)] = layer.weight.T
    # A block reads on behind the last row.
    table = names.table(kind, np.concatenate([weight.reshape(-1), np.zeros(padded(node.size) - stride, np.int8)]))
    found, values = listed(names, fixed, node)
    rows: list[str] = []
    weighed: list[str] = []
    for wide, first in blocks(padded(node.size), WIDTHS):
        begin = f"y{plus(first)}, {table}{plus(first)}, {stride}, list"
        wanted = min(wide, stride - first)
        rows.append(f"{names.function(f'rows{wide}')}({begin}, count, {wanted});")
        if values:
            weighed.append(f"{names.function(f'weighed{wide}')}({begin}, values, count, {wanted});")
    if values:
        rows.append(f"{names.function('times')}(y, {padded(node.size)}, same);")
        same = f"const int32_t same = LANES > 1 ? {names.function('same')}(values, count) : 0;"
        rows = [same, *block("if (same)", rows), *block("else", weighed)]
    lines = [f"int32_t *const y = {names.row(node)};", *found, *rows]
    return [*lines, *finish(names, fixed, node)]


def listed(names: Names, fixed: Fixed, node: Linear | Convolution) -> tuple[list[str], bool]:
    """C for the ``list`` of a layer's inputs that are not zero, their ``count``, and their ``values`` if not all are 1.

    Returns:
        the lines, and whether there are values.
    """
    size, of = node.x.size, place_type(fixed.program)
    if names.numbers.is_listed(storage(node.x)):
        count, places, values = events_of(names, fixed, storage(node.x))
        lines = [f"const {of} *const list = {places};", f"const int16_t *const values = {values};"]
        return [*lines, f"const uint32_t count = {count};"], True
    room = padded(size) + LANES
    lines = [f"{of} *const list = {names.need('list', of, room)};"]
    x = names.row(node.x)
    if fixed.is_spikes(node.x):
        return [*lines, f"const uint32_t count = {names.function('spikes')}({x}, {size}, list);"], False
    layer = fixed.layers[node]
    lines.append(f"int16_t *const values = {names.need('values', 'int16_t', room)};")
    call = f"{names.function('events')}({x}, {size}, {layer.narrow}, {layer.most}, list, values)"
    return [*lines, f"const uint32_t count = {call};"], True


@dataclass(frozen=True)
class Finish:
    """How the sums of a layer become its results, as C.

    Attributes:
        factor: name of a table.
        bias: name of a table.
        period: after so many outputs both repeat.
        shift: of all outputs.
        up: as ``words.shift_up`` says it of sums and factors.
        most: what sums are held to before; 0: they need not be.
        bounded: whether no result can go beyond ``LIMIT``.
    """

    factor: str
    bias: str
    period: int
    shift: int
    up: int
    most: int
    bounded: bool


def finishing(names: Names, fixed: Fixed, node: Linear | Convolution) -> Finish | None:
    """Tables of a layer; None where results need more than 32 bits before they are held."""
    layer = fixed.layers[node]
    held = clamp(fixed, node)
    if held is None:
        return None
    parts, outputs = _tables(names, fixed, node), len(layer.bias)
    period = padded(outputs) if node.size == outputs else math.lcm(outputs, LANES)
    if node.size == outputs:
        parts = [np.pad(values, (0, period - outputs)) for values in parts]
    f, b = (names.table(kind, np.resize(values, period)) for kind, values in zip("fb", parts, strict=True))
    most, bounded = held
    largest = int(fixed.sums_of(node).max())
    up = shift_up(min(largest, most or largest), int(layer.factor.max()), layer.shift)
    return Finish(f, b, period, layer.shift, up, most, bounded)


def finish(names: Names, fixed: Fixed, node: Linear | Convolution, size: str | None = None) -> list[str]:
    """C that brings so many sums ``y`` of a layer to its unit, and adds the bias.

    A convolution's outputs stand innermost; ``size`` is that of the layer where none is given.
    """
    found = finishing(names, fixed, node)
    if found is None:
        layer = fixed.layers[node]
        f, b = (names.table(kind, values) for kind, values in zip("fb", _tables(names, fixed, node), strict=True))
        at = f"[i % {len(layer.bias)}]"
        return loop(
            f"for (int i = 0; i < {node.size}; i++)", [f"y[i] = scaled(y[i], {f}{at}, {layer.shift}, {b}{at});"]
        )
    limit = size or (node.size if node.size == padded(node.size) else f"SIZED({node.size}, {padded(node.size)})")
    call = f"{names.function('finish')}(y, {limit}, {found.period}, {found.factor}, {found.shift}"
    return [f"{call}, {found.up}, {found.bias}, {found.most}, {int(found.bounded)});"]


def _tables(names: Names, fixed: Fixed, node: Linear | Convolution) -> list[Array]:
    """Factors and biases as the outputs stand."""
    parts = [fixed.layers[node].factor, fixed.layers[node].bias]
    if isinstance(node, Convolution):
        return parts
    return [_placed(values, names.schedule.layouts.places(node)) for values in parts]


def clamp(fixed: Fixed, node: Linear | Convolution) -> tuple[int, bool] | None:
    """What sums are held to before they are multiplied, so that 32 bits hold the result; 0: they need not be.

    Returns:
        that, and whether the result cannot go beyond ``LIMIT``; None where no such number exists.
    """
    layer, sums = fixed.layers[node], fixed.sums_of(node)
    if (reach := fixed.reach_of(node, sums)) <= MOST:
        return 0, reach <= LIMIT
    # Beyond this sum an output is held to LIMIT, whatever its bias.
    enough = [
        min(most, -(-((LIMIT + abs(bias)) << layer.shift) // factor)) if factor else most
        for most, factor, bias in zip(sums.tolist(), layer.factor.tolist(), layer.bias.tolist(), strict=True)
    ]
    held = max(enough)
    return (held, False) if fixed.reach_of(node, np.minimum(sums, held)) <= MOST else None


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
