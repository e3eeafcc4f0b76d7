"""Where in its buffer each element of a value stands: in the order of its shape, or an image's channels innermost.

Convolutions and pooling make and take images with their channels innermost, linear layers take the order of the shape.
What is computed element by element stands as its sources do, so that it moves nothing. Whoever reads a value that
stands otherwise than it wants goes through a table of places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edgeproof.spike.program import (
    Array,
    Constant,
    Convolution,
    Elementwise,
    Node,
    Pool,
    Program,
    Shape,
    storage,
    walk,
)

__all__ = ["PLAIN", "Layouts", "layouts", "places", "source_places"]

PLAIN = 1
"""How many channels stand innermost where a value stands in the order of its shape."""


@dataclass(frozen=True, eq=False)
class Layouts:
    """How many channels of each value stand innermost.

    Attributes:
        channels: of each node that has a buffer.
    """

    channels: Mapping[Node, int]
    _places: dict[tuple[int, int], Array] = field(default_factory=dict)

    def of(self, node: Node) -> int:
        """How many of its channels stand innermost; ``PLAIN`` for a constant."""
        return self.channels.get(storage(node), PLAIN)

    def places(self, node: Node) -> Array:
        """The place of each element, in the order of the shape."""
        key = node.size, self.of(node)
        if key not in self._places:
            self._places[key] = places(*key)
        return self._places[key]


def places(size: int, channels: int) -> Array:
    """The place of each of ``size`` elements if so many channels stand innermost."""
    return np.arange(size).reshape(-1, channels).T.reshape(-1)


def channels_of(shape: Shape) -> int:
    """How many channels stand innermost in an image of layers."""
    channels, *image = shape
    return PLAIN if np.prod(image) == 1 else channels


def source_places(found: Layouts, source: Node, shape: Shape, like: Node) -> Array | None:
    """Where an operation finds the elements of its source.

    Args:
        found: how values stand.
        source: is broadcast.
        shape: of the operation's result.
        like: stands as the result does, and has its size.

    Returns:
        for each place of the result the place of the source; None if they are the same.
    """
    if source.size == like.size and found.of(source) == found.of(like):
        return None
    elements = np.arange(source.size)
    if source.size != like.size:
        elements = np.broadcast_to(elements.reshape(source.shape), shape).reshape(-1)
    table = np.empty(like.size, np.int64)
    table[found.places(like)] = found.places(source)[elements]
    return table


def layouts(program: Program) -> Layouts:
    """Choose how the values of a program stand.

    Values that are computed from one another element by element form a class and stand alike: as the layer that makes
    one of them does, else as the convolution or pooling wants it that takes one of them.
    """
    order = [*walk(program.roots()), *program.inputs, *(state for state, _ in program.states)]
    above: dict[Node, Node] = {}

    def top(node: Node) -> Node:
        while node in above:
            if above[node] in above:
                above[node] = above[above[node]]
            node = above[node]
        return node

    def join(a: Node, b: Node) -> None:
        if not isinstance(a, Constant) and not isinstance(b, Constant) and top(a) is not top(b):
            above[top(a)] = top(b)

    for node in order:
        if isinstance(node, Elementwise):
            for source in node.sources:
                if source.size == node.size:
                    join(node, storage(source))
    for state, after in program.states:
        join(state, storage(after))
    made: dict[Node, int] = {}
    wanted: dict[Node, int] = {}
    for node in order:
        if isinstance(node, (Convolution, Pool)):
            made.setdefault(top(node), channels_of(node.shape))
            wanted.setdefault(top(storage(node.x)), channels_of(node.x.shape))
    return Layouts(
        {
            node: channels_of(node.shape)
            if isinstance(node, (Convolution, Pool))
            else made.get(top(node), wanted.get(top(node), PLAIN))
            for node in order
            if not isinstance(node, Constant) and storage(node) is node
        }
    )
