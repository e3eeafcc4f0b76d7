"""What whole numbers are stored as: spikes in a byte, all else in 32 bits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeproof.spike.engine.literals import number
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import LANES, padded
from edgeproof.spike.fixed.arithmetic import whole
from edgeproof.spike.fixed.program import LIMIT, Fixed
from edgeproof.spike.program import Array, Constant, Convolution, Linear, Node, Program, State, storage, walk

__all__ = ["FixedNumbers", "events_of", "place_type"]


def place_type(program: Program) -> str:
    """What holds the place of a layer's input."""
    sizes = [node.x.size for node in walk(program.roots()) if isinstance(node, (Linear, Convolution))]
    return "uint16_t" if max(sizes, default=0) <= 1 << 16 else "uint32_t"


def events_of(names: Names, fixed: Fixed, node: Node) -> tuple[str, str, str]:
    """C for the count, places and values of an input that is kept as a list, at the step ``at``."""
    each, room = node not in names.schedule.steady, padded(node.size) + LANES
    number_of = names.number(node)
    members = [
        names.need(f"{member}{number_of}", of, count, each_step=each)
        for member, of, count in (
            ("count", "uint32_t", 1), ("places", place_type(fixed.program), room), ("values", "int16_t", room),
        )
    ]  # fmt: skip
    if not each:
        return f"{members[0]}[0]", members[1], members[2]
    return f"{members[0]}[at]", f"{members[1]} + (size_t)at * {room}", f"{members[2]} + (size_t)at * {room}"


class FixedNumbers:
    """Of one program."""

    plain = False

    def __init__(self, fixed: Fixed, listed: Mapping[Node, Node]) -> None:
        self._fixed = fixed
        self._listed = listed

    def is_listed(self, node: Node) -> bool:
        """Whether only what is not zero of it is kept, for the one layer that takes it."""
        return node in self._listed

    def type_of(self, node: Node) -> str:
        return "int8_t" if self._fixed.is_spikes(node) else "int32_t"

    def bytes_of(self, node: Node) -> int:
        """What a value's buffer takes, or its list, at one time step."""
        place = 2 if place_type(self._fixed.program) == "uint16_t" else 4
        size = 2 + place if node in self._listed else 1 if self._fixed.is_spikes(node) else 4
        return padded(node.size) * size

    def initial(self, state: State) -> Array:
        found = whole(state.initial.astype(np.float32), self._fixed.bits_of(state))
        return np.clip(found, -LIMIT, LIMIT).astype(np.int32).reshape(-1)

    def taken(self, node: Node, word: str) -> str:
        return f"taken({word}, {number(2.0 ** self._fixed.bits_of(node))})"

    def taken_row(self, names: Names, node: Node, source: str) -> str:
        unit = number(2.0 ** self._fixed.bits_of(node))
        if node in self._listed:
            layer = self._fixed.layers[self._listed[node]]
            count, places, values = events_of(names, self._fixed, node)
            narrow = f"{unit}, {layer.narrow}, {layer.most}"
            return f"{count} = {names.function('given')}({source}, {node.size}, {narrow}, {places}, {values});"
        return f"{names.function('take')}({names.row(node)}, {source}, {node.size}, {unit});"

    def given(self, node: Node, word: str) -> str:
        if isinstance(storage(node), Constant):
            return word
        bits = self._fixed.bits_of(node)
        return f"(float){word} * {number(2.0**-bits)}" if bits else f"(float){word}"
