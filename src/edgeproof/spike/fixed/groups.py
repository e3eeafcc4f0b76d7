"""The C of neurons in whole numbers: in lanes, and where operations need more than 32 bits, one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from edgeproof.spike.engine.groups import GroupLoop, added_up
from edgeproof.spike.engine.literals import number
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import Delay, Group, padded
from edgeproof.spike.engine.writing import block, loop
from edgeproof.spike.fixed.arithmetic import compute
from edgeproof.spike.fixed.lane_words import Lane, LaneWords, NoLanesError
from edgeproof.spike.fixed.program import LIMIT, MOST, Fixed
from edgeproof.spike.fixed.words import Word, Words
from edgeproof.spike.program import Array, Constant, Elementwise, Node, Shape, State, storage

__all__ = ["delay", "group_loop", "moved"]


def group_loop(names: Names, fixed: Fixed, group: Group) -> list[str]:
    """C of a group at the step ``at``."""
    try:
        return _LaneLoop(names, fixed, group).lines()
    except NoLanesError:
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
    return _table(names, _values(fixed, node), shape, like)


def _values(fixed: Fixed, node: Node) -> Array:
    constant = storage(node)
    assert isinstance(constant, Constant)
    values = np.rint(np.ldexp(constant.value.astype(np.float64), fixed.bits_of(node)))
    return np.asarray(np.clip(values, -MOST, MOST).reshape(node.shape), np.int64)


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


def _used(body: Sequence[str], after: Sequence[str]) -> list[str]:
    """The lines that name what a later line asks for."""
    wanted = set(re.findall(r"\bv\d+\b", " ".join(after)))
    kept: list[str] = []
    for line in reversed(body):
        name, *sources = re.findall(r"\bv\d+\b", line)
        if name in wanted:
            wanted.update(sources)
            kept.append(line)
    return kept[::-1]


class _LaneLoop:
    """A group in lanes.

    Raises:
        NoLanesError: an operation needs more than 32 bits, or a source stands in another order.
    """

    def __init__(self, names: Names, fixed: Fixed, group: Group) -> None:
        self._names = names
        self._fixed = fixed
        self._group = group
        self._like: Node = (*group.nodes, *(state for state, _ in group.states))[0]
        self._own = dict(group.states)
        self._words = LaneWords(self._constant)
        self._shape: Shape = self._like.shape
        self._body: list[str] = []
        self._inside: dict[Node, Lane] = {}

    def lines(self) -> list[str]:
        """C at the step ``at``."""
        stored, totals = self._names.schedule.stored, added_up(self._names)
        after = [self._put(self._names.kept(state), state, self._word(state)) for state in self._own if state in stored]
        for node in self._group.nodes:
            lane = self._computed(node)
            if node in stored:
                after.append(self._put(self._names.element(node), node, lane))
            after += [self._added(total, node, lane) for total in totals.get(node, ())]
        after += self._states()
        size = self._like.size
        limit = size if size == padded(size) else f"SIZED({size}, {padded(size)})"
        head = f"for (int i = 0; i < {limit}; i += LANES)"
        return block(head, [*_used(self._body, after), *after])

    def _states(self) -> Iterator[str]:
        for state, becomes in self._own.items():
            if storage(becomes) is state:
                continue
            bits = self._fixed.bits_of(becomes) - self._fixed.bits_of(state)
            self._shape = state.shape
            value = self._words.shift(self._word(becomes), bits)
            if value.factors:
                raise NoLanesError
            text = f"ONE({value.text})" if value.truth else value.text
            yield f"PUT(&{self._names.state(state)}[i], {text if value.bound <= LIMIT else f'HELD({text})'});"

    def _computed(self, node: Elementwise) -> Lane:
        self._shape = node.shape
        found = compute(node, self._word, self._words, self._fixed)
        name = f"v{self._names.number(node)}"
        self._body.append(f"const {'TRUTH' if found.truth else 'WORD'} {name} = {found.text};")
        bound = min(found.bound, self._fixed.bound_of(node))
        self._inside[node] = Lane(name, bound, truth=found.truth, difference=found.difference, chosen=found.chosen)
        return self._inside[node]

    def _word(self, value: Node) -> Lane:
        """The value at the places from ``i`` on."""
        names, node = self._names, storage(value)
        if isinstance(node, Constant):
            values = _values(self._fixed, value)
            return Lane(self._constant(value, values), int(abs(values).max()))
        if node not in self._inside:
            one = node.size == 1 and self._like.size != 1
            if not one and node.size != self._like.size:
                raise NoLanesError
            if not one and names.schedule.layouts.of(node) != names.schedule.layouts.of(self._like):
                raise NoLanesError
            text = f"{names.state(node)}[i]" if node in self._own else names.element(node, "0" if one else "i")
            get = "GET8" if names.numbers.type_of(node) == "int8_t" and node not in self._own else "GET"
            name = f"v{names.number(node)}"
            self._body.append(f"const WORD {name} = {f'SPLAT({text})' if one else f'{get}(&{text})'};")
            self._inside[node] = Lane(name, self._fixed.bound_of(node))
        return self._inside[node]

    def _constant(self, _: Node, values: Array) -> str:
        return f"GET({_table(self._names, values, self._shape, self._like)} + i)"

    def _put(self, element: str, node: Node, lane: Lane) -> str:
        if self._names.numbers.type_of(node) == "int8_t":
            return f"{'PUT_TRUTH' if lane.truth else 'PUT8'}(&{element}, {lane.text});"
        return f"PUT(&{element}, {f'ONE({lane.text})' if lane.truth else lane.text});"

    def _added(self, total: str, node: Node, lane: Lane) -> str:
        unit = number(2.0 ** -self._fixed.bits_of(node))
        return f"ADD_REALS(&{total}, {f'ONE({lane.text})' if lane.truth else lane.text}, {unit});"
