"""What whole numbers are stored as: spikes in a byte, all else in 32 bits."""

from __future__ import annotations

import numpy as np

from edgeproof.spike.engine.literals import number
from edgeproof.spike.engine.names import Names
from edgeproof.spike.fixed.arithmetic import whole
from edgeproof.spike.fixed.program import LIMIT, Fixed
from edgeproof.spike.program import Array, Constant, Node, State, storage

__all__ = ["FixedNumbers"]


class FixedNumbers:
    """Of one program."""

    plain = False

    def __init__(self, fixed: Fixed) -> None:
        self._fixed = fixed

    def type_of(self, node: Node) -> str:
        return "int8_t" if self._fixed.is_spikes(node) else "int32_t"

    def initial(self, state: State) -> Array:
        found = whole(state.initial.astype(np.float32), self._fixed.bits_of(state))
        return np.clip(found, -LIMIT, LIMIT).astype(np.int32).reshape(-1)

    def taken(self, node: Node, word: str) -> str:
        return f"taken({word}, {number(2.0 ** self._fixed.bits_of(node))})"

    def taken_row(self, names: Names, node: Node, source: str) -> str:
        unit = number(2.0 ** self._fixed.bits_of(node))
        return f"{names.function('take')}({names.row(node)}, {source}, {node.size}, {unit});"

    def given(self, node: Node, word: str) -> str:
        if isinstance(storage(node), Constant):
            return word
        bits = self._fixed.bits_of(node)
        return f"(float){word} * {number(2.0**-bits)}" if bits else f"(float){word}"
