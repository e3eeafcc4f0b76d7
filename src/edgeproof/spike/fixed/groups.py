"""The C of neurons in whole numbers."""

from __future__ import annotations

import numpy as np

from edgeproof.spike.engine.groups import GroupLoop
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import Delay, Group
from edgeproof.spike.engine.writing import loop
from edgeproof.spike.fixed.arithmetic import compute
from edgeproof.spike.fixed.program import LIMIT, MOST, Fixed
from edgeproof.spike.fixed.words import Word, Words
from edgeproof.spike.program import Array, Constant, Elementwise, Node, Shape, State, storage

__all__ = ["delay", "group_loop", "moved"]


def group_loop(names: Names, fixed: Fixed, group: Group) -> list[str]:
    """C of a group at the step ``at``."""
    return _Loop(names, fixed, group).lines()


def moved(fixed: Fixed, state: State, after: Node, word: str) -> str:
    """What a state becomes, in its own unit."""
    words = Words(lambda *_: "")
    value = words.shift(Word(word, fixed.bound_of(after)), fixed.bits_of(after) - fixed.bits_of(state))
    return value.text if value.bound <= LIMIT else f"held({value.text})"


def delay(names: Names, fixed: Fixed, kernel: Delay) -> list[str]:
    """A state that passes its value on and takes another, at the step ``at``."""
    state, after = kernel.state, kernel.after
    kept = [f"{names.kept(state)} = {names.state(state)}[i];"] if state in names.schedule.stored else []
    if isinstance(storage(after), Constant):
        word = f"{_constants(names, fixed, after, state.shape, state)}[i]"
    else:
        table = names.source(after, state.shape, state)
        word = names.element(after, f"{table}[i]" if table else "i")
    lines = [*kept, f"{names.state(state)}[i] = {moved(fixed, state, after, word)};"]
    return loop(f"for (int i = 0; i < {state.size}; i++)", lines)


def _constants(names: Names, fixed: Fixed, node: Node, shape: Shape, like: Node) -> str:
    """A table of a constant in its own unit, for each place of ``like``."""
    constant = storage(node)
    assert isinstance(constant, Constant)
    values = np.rint(np.ldexp(constant.value.astype(np.float64), fixed.bits_of(node)))
    return _table(names, np.clip(values, -MOST, MOST).reshape(node.shape), shape, like)


def _table(names: Names, values: Array, shape: Shape, like: Node) -> str:
    spread = np.broadcast_to(values, shape).reshape(-1) if values.size != like.size else values.reshape(-1)
    return names.table("k", names.ordered(spread.astype(np.int32), like))


class _Loop(GroupLoop):
    of = "int32_t"

    def __init__(self, names: Names, fixed: Fixed, group: Group) -> None:
        super().__init__(names, group)
        self._fixed = fixed

    def _moved(self, state: State, after: Node) -> str:
        return moved(self._fixed, state, after, self._word(after, state.shape))

    def _compute(self, node: Elementwise) -> str:
        words = Words(lambda _, values: f"{_table(self._names, values, node.shape, self._like)}[i]")

        def value(argument: Node) -> Word:
            return Word(self._word(argument, node.shape), self._fixed.bound_of(argument))

        return self._named(node, compute(node, value, words, self._fixed).text)

    def _word(self, value: Node, shape: Shape) -> str:
        if isinstance(storage(value), Constant):
            return f"{_constants(self._names, self._fixed, value, shape, self._like)}[i]"
        return super()._word(value, shape)

    def _as_number(self, word: str) -> str:
        return word
