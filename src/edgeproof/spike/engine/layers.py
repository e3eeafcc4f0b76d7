"""The C of linear layers and of delays, over the steps of a chunk or at one step, and what layers have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from edgeproof.errors import ConversionError
from edgeproof.spike.engine.kernels import blocks_of
from edgeproof.spike.engine.lists import SPARE
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import Delay, padded
from edgeproof.spike.engine.trains import FEW, MANY, are_trains
from edgeproof.spike.engine.writing import block, loop
from edgeproof.spike.program import Array, Linear, Node, storage

__all__ = ["Method", "Span", "bias_of", "blocked", "by_trains", "delay", "each_step", "linear", "weights_of"]

Method = Literal["events", "windows", "dense"]
"""How a layer takes its input: by a list of what is not zero, each event adding to the outputs that see it, or each
output summing up the events that it sees; or all of it."""
Span = Literal["chunk", "step", "once"]
"""All steps of the chunk; the step ``at``, in a loop that is there already; or once for all of them."""
EACH = "for (int at = 0; at < steps; at++)"
F = np.float32
OFTEN = 0.08
"""The share of inputs that spike at a step, from which on a vector holds steps, not outputs, where these are few."""


def each_step(span: Span, body: Sequence[str]) -> list[str]:
    """What is done at a step, done in the span."""
    if span == "chunk":
        return loop(EACH, body)
    return block("", body) if any(line.startswith(("const ", "float ", "int ")) for line in body) else list(body)


def weights_of(weight: Array) -> Array:
    """Weights as the engine takes them.

    Raises:
        ConversionError: infinite ones, of which even silence makes NaN.
    """
    if np.isinf(weight).any():
        raise ConversionError("the network has infinity among its weights", hint="train it again, or repair them")
    return np.asarray(weight, F)


def bias_of(bias: Array) -> Array:
    """A bias without -0.0, so that terms of zero change no sum."""
    return np.asarray(bias, F) + F(0)


def blocked(weight: Array) -> Array:
    """``[outputs, inputs]``, outputs a multiple of 16, as blocks of outputs; in each the inputs' rows of weights."""
    parts, first = [], 0
    for wide, count in blocks_of(len(weight)):
        last = first + wide * count
        parts.append(weight[first:last].reshape(count, wide, -1).transpose(0, 2, 1).reshape(-1))
        first = last
    return np.concatenate(parts)


def linear(names: Names, node: Linear, method: Method, span: Span) -> list[str]:
    """A linear layer, by lists of the inputs that are not zero, or by all of them.

    Raises:
        ConversionError: infinity among its weights, or NaN among its numbers.
    """
    size, width = node.x.size, padded(len(node.bias))
    places = names.schedule.layouts.places(node)
    spikes = method != "dense" and node.x in names.schedule.binary
    rows = size + 1 if spikes and span == "chunk" else size
    weight, bias = np.zeros((width, rows), F), np.zeros(width, F)
    weight[places, :size], bias[places] = weights_of(node.weight), bias_of(node.bias)
    copied, x = ([], partial(names.row, node.x)) if spikes else _plain(names, node.x, span)
    written = _Linear(names, node, span, x, names.table("w", blocked(weight)), names.table("k", bias), rows, spikes)
    if rows > size:
        return ["#if LANES > 1", *written.many(), "#else", *written.events(), "#endif"]
    return [*copied, *(written.dense() if method == "dense" else written.events())]


def by_trains(names: Names, node: Linear) -> bool:
    """Whether a layer of spikes takes the steps of a chunk side by side in vectors, where these have masks."""
    often = names.activity.get(node, OFTEN) >= OFTEN
    return often and node.size <= FEW and names.schedule.chunk >= MANY and names.places(node.x) is None


@dataclass(frozen=True)
class _Block:
    """Blocks of one width: how many outputs, and where one block's outputs, weights and biases begin."""

    wide: int
    count: int
    output: str
    weights: str

    def each(self, body: list[str]) -> list[str]:
        return body if self.count == 1 else loop(f"for (int block = 0; block < {self.count}; block++)", body)


@dataclass(frozen=True)
class _Linear:
    names: Names
    node: Linear
    span: Span
    x: Callable[[str], str]
    """Where its inputs are at a step, in the order of their shape."""
    weights: str
    bias: str
    rows: int
    """Of weights in a block: one for each input, and one of zeros where lists are made equally long."""
    spikes: bool
    """Whether its inputs are spikes, which it finds wherever they stand."""

    def _found(self) -> str:
        """The beginning of a call that lists what is not zero at the step ``at``."""
        names, x = self.names, self.node.x
        places = names.places(x) if self.spikes else None
        if places is None:
            return f"{names.function('nonzero')}({self.x('at')}, {x.size}, "
        return f"{names.function('placed')}({self.x('at')}, {places}, {x.size}, "

    def many(self) -> list[str]:
        """Spikes of all steps in lists first; then a block of weights is read for all steps before the next one is."""
        names, node = self.names, self.node
        room = padded(node.x.size) + SPARE
        listed = names.need("list", "uint32_t", room, each_step=True)
        count = names.need("count", "uint32_t", 1, each_step=True)
        lines = [
            *loop(EACH, [f"{count}[at] = {self._found()}{listed} + (size_t)at * {room});"]),
            f"{names.function('even')}({listed}, {room}, {count}, steps, {node.x.size});",
        ]
        for part in self._blocks():
            total = (
                f"{names.function(f'many{part.wide}')}({names.row(node, '0')}{part.output}, {padded(node.size)}, "
                f"{self.bias}{part.output}, {self.weights}{part.weights}, {listed}, {room}, {count}, steps, "
                f"{part.wide});"
            )
            lines += part.each([total])
        if by_trains(names, node):
            return self._trains(lines)
        return lines

    def _trains(self, otherwise: list[str]) -> list[str]:
        """Time steps side by side in vectors with masks; else as otherwise."""
        names, node = self.names, self.node
        row, room = padded(node.x.size), padded(node.x.size) + SPARE
        listed = names.need("list", "uint32_t", room, each_step=True)
        found = f"{names.function('trains')}({self.x('0')}, {row}, {node.x.size}, steps, {listed}, {listed} + {room});"
        if storage(node.x) in names.told:
            found = f"{names.function('told')}({self.x('0')}, {node.x.size}, {listed}, {listed} + {room});"
        return [
            f"#if {are_trains(names.chunk)}",
            f"const uint32_t inputs = {found}",
            f"{names.function(f'train{node.size}')}({names.row(node, '0')}, {self.bias}, {self.weights}, {listed},",
            f"    {listed} + {room}, inputs, steps);",
            "#else",
            *otherwise,
            "#endif",
        ]

    def events(self) -> list[str]:
        """Lists of all steps first; then a block of weights is read for all steps before the next one is."""
        names, node, chunk = self.names, self.node, self.span == "chunk"
        room = padded(node.x.size) + SPARE
        listed = names.need("list", "uint32_t", room, each_step=chunk)
        listed = f"{listed} + (size_t)at * {room}" if chunk else listed
        count = f"{names.need('count', 'uint32_t', 1, each_step=True)}[at]" if chunk else "count"
        values = "NULL" if self.spikes else self.x("at")
        found = f"{count} = {self._found()}{listed});"
        lines = loop(EACH, [found]) if chunk else [f"const uint32_t {found}"]
        for part in self._blocks():
            total = (
                f"{names.function(f'sum{part.wide}')}({names.row(node)}{part.output}, {self.bias}{part.output}, "
                f"{self.weights}{part.weights}, {listed}, {count}, {values});"
            )
            lines += part.each(loop(EACH, [total]) if chunk else [total])
        return lines if chunk else block("", lines)

    def dense(self) -> list[str]:
        """A block of weights is read once for several steps."""
        names, node, chunk = self.names, self.node, self.span == "chunk"
        row = padded(node.x.size)
        see = names.sizes(
            "window",
            across=names.chunk,
            next=row,
            results=padded(node.size),
            rows=1,
            columns=1,
            length=node.x.size,
        )
        at, steps = ("0", "steps") if chunk else ("at", "1")
        return [
            line
            for part in self._blocks()
            for line in part.each(
                [
                    f"{names.function(f'dense{part.wide}')}({names.row(node, at)}{part.output}, {self.x(at)}, &{see}, "
                    f"{self.bias}{part.output}, {self.weights}{part.weights}, {steps}, {part.wide});"
                ]
            )
        ]

    def _blocks(self) -> Iterator[_Block]:
        output = weight = 0
        size = self.rows
        for wide, count in blocks_of(padded(self.node.size)):
            begin = [f" + {start}" if start else "" for start in (output, weight)]
            if count > 1:
                begin = [begin[0] + f" + block * {wide}", begin[1] + f" + (size_t)block * {wide * size}"]
            yield _Block(wide, count, *begin)
            output, weight = output + wide * count, weight + wide * count * size


def _plain(names: Names, x: Node, span: Span) -> tuple[list[str], Callable[[str], str]]:
    """C that copies a value into the order of its shape, if it stands otherwise; and where it is at which step."""
    table = names.places(x)
    if table is None:
        return [], lambda at: names.row(x, at)
    row = padded(x.size)
    to = names.need("sorted", "float", row, each_step=span == "chunk")
    here = f"{to}[at * {row} + i]" if span == "chunk" else f"{to}[i]"
    copied = loop(f"for (int i = 0; i < {x.size}; i++)", [f"{here} = {names.element(x, f'{table}[i]')};"])
    return each_step(span, copied), lambda at: to if span != "chunk" or at == "0" else f"{to} + (size_t){at} * {row}"


def delay(names: Names, kernel: Delay) -> list[str]:
    """A state that passes its value on and takes another, at the step ``at``."""
    state, after = kernel.state, kernel.after
    size = padded(state.size)
    here, lines = names.state(state), []
    if state in names.schedule.stored:
        lines.append(f"memcpy({names.buffer(state)} + (size_t)at * {size}, {here}, {size * 4});")
    table = names.source(after, state.shape, state)
    if table is None:
        return [*lines, f"memcpy({here}, {names.row(after)}, {size * 4});"]
    copied = f"{here}[i] = {names.element(after, f'{table}[i]')};"
    return [*lines, *loop(f"for (int i = 0; i < {size}; i++)", [copied])]
