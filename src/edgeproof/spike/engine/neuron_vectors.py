"""The loop of neurons in vectors: some vectors of them at a time go through all steps of a chunk, states in registers.

A step waits for the one before it, some twelve clocks; so several vectors take turns. What has no vectors of its own,
such as exp or a table of places, stays with ``groups``.
"""

from __future__ import annotations

import re

from edgeproof.spike.engine.groups import added_up
from edgeproof.spike.engine.layout import source_places
from edgeproof.spike.engine.literals import number
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import Group, padded
from edgeproof.spike.engine.trains import are_trains
from edgeproof.spike.engine.vector_operations import ONE, ZERO, directly, has_vectors, written
from edgeproof.spike.engine.writing import block, loop, text
from edgeproof.spike.program import LOGIC, Constant, Elementwise, Node, Shape, storage

__all__ = ["can_be_vectors", "neuron_vectors"]

TURNS = (8, 4)
"""Vectors that take turns: eight where there are registers for their states and constant inputs, or four."""
REGISTERS = {16: 24, 8: 10}
"""For these, with vectors of 16 floats and with narrower ones."""


def can_be_vectors(names: Names, group: Group) -> bool:
    """Whether all that is computed has vectors, and stands where the results do."""
    like = _like(group)
    for node in group.nodes:
        if not has_vectors(node):
            return False
        if any(_elsewhere(names, source, node.shape, like) for source in node.sources):
            return False
    return not any(_elsewhere(names, after, state.shape, like) for state, after in group.states)


def _elsewhere(names: Names, source: Node, shape: Shape, like: Node) -> bool:
    """Whether a value does not stand as the results do."""
    if isinstance(storage(source), Constant):
        return False
    return source_places(names.schedule.layouts, source, shape, like) is not None


def neuron_vectors(names: Names, group: Group) -> tuple[str, list[str]]:
    """C of a group over all steps of a chunk, for vectors of more than one number.

    Returns:
        a function of one step of one vector, and the lines that call it.
    """
    return _Vectors(names, group).text()


def _like(group: Group) -> Node:
    return (*group.nodes, *(state for state, _ in group.states))[0]


def _needed(lines: list[str]) -> list[str]:
    """Without the names that nothing reads."""
    found: list[str] = []
    read: set[str] = set()
    for line in reversed(lines):
        name = re.match(r"const (?:VECTOR|TRUTH) (\w+) = ", line)
        if name is None or name[1] in read:
            read.update(re.findall(r"\w+", line))
            found.append(line)
    return found[::-1]


class _Vectors:
    """Words are names and numbers in C."""

    def __init__(self, names: Names, group: Group) -> None:
        self._names = names
        self._group = group
        self._like = _like(group)
        self._own = dict(group.states)
        self._loads: list[str] = []
        self._body: list[str] = []
        self._words: dict[Node, str] = {}
        self._truths: set[str] = set()
        self._held: dict[str, str] = {}
        """What stays in registers over the steps: its name, and where it stands between chunks."""
        self._moved: set[str] = set()
        """Those of them that change."""
        self._trains: dict[str, str] = {}
        """Trains of spikes: their names, and where they go."""
        self._steady: dict[str, str] = {}
        """What is the same at every step: its name, and where it stands."""

    def text(self) -> tuple[str, list[str]]:
        names = self._names
        self._write()
        function = f"neurons{names.number(self._like)}"
        given = [f"VECTOR *{name}" for name in self._held]
        given += [f"VARIANT(train) *{name}" for name in self._trains]
        given += [*(f"const VECTOR {name}" for name in self._steady)]
        head = f"TARGET static inline __attribute__((always_inline)) void VARIANT({function})("
        head += ", ".join([f"struct {names.name} *m", "const int at", "const int i", *given]) + ")"
        body = _needed([*self._loads, *self._body])
        used = set(re.findall(r"\w+", " ".join(body)))
        unused = [f"(void){name};" for name in ("m", "at", "i") if name not in used]
        step = text(["#if LANES > 1", *block(head, [*unused, *body]), "#endif"])
        size = padded(self._like.size)
        lines = [
            "int i = 0;",
            "#if LANES == 16",
            *self._in_turns(function, size, REGISTERS[16]),
            "#else",
            *self._in_turns(function, size, REGISTERS[8]),
            "#endif",
            *block(f"for (; i < {size}; i += LANES)", self._steps(function, 1)),
        ]
        return step, lines

    def _in_turns(self, function: str, size: int, registers: int) -> list[str]:
        """As many vectors at a time as registers hold."""
        each = max(1, len(self._held) + len(self._steady))
        turns = next((turns for turns in TURNS if turns * each <= registers), TURNS[-1])
        return block(f"for (; i + {turns} * LANES <= {size}; i += {turns} * LANES)", self._steps(function, turns))

    def _steps(self, function: str, turns: int) -> list[str]:
        """All steps for so many vectors."""
        places = ["i", *(f"i + {turn} * LANES" for turn in range(1, turns))]
        begin = [
            f"{kind}VECTOR {name}_{turn} = LOAD({where} + {place});"
            for kind, found in (("", self._held), ("const ", self._steady))
            for name, where in found.items()
            for turn, place in enumerate(places)
        ]
        begin += [f"VARIANT(train) {name}_{turn} = {{0}};" for name in self._trains for turn, _ in enumerate(places)]
        calls = [
            f"VARIANT({function})({', '.join(words)});"
            for turn, place in enumerate(places)
            for words in [
                ["m", "at", place, *(f"&{name}_{turn}" for name in (*self._held, *self._trains))]
                + [f"{name}_{turn}" for name in self._steady]
            ]
        ]
        end = [
            f"STORE({where} + {place}, {name}_{turn});"
            for name, where in self._held.items()
            if name in self._moved
            for turn, place in enumerate(places)
        ]
        trains = [
            f"_mm512_storeu_si512({where} + {place}, {name}_{turn});"
            for name, where in self._trains.items()
            for turn, place in enumerate(places)
        ]
        if trains:
            end += [f"#if {are_trains(self._names.chunk)}", *trains, "#endif"]
        return [*begin, *loop("for (int at = 0; at < steps; at++)", calls), *end]

    def _write(self) -> None:
        """The lines of a step."""
        names, stored = self._names, self._names.schedule.stored
        totals = added_up(names)
        for state in self._own:
            name = f"s{names.number(state)}"
            self._held[name] = names.state(state)
            self._words[state] = self._load(f"v{names.number(state)}", f"*{name}")
        after = [f"STORE(&{names.kept(state)}, {self._words[state]});" for state in self._own if state in stored]
        for node in self._group.nodes:
            word = self._number(self._compute(node))
            if node in names.told:
                after += self._told(node, word)
            elif node in stored:
                after.append(f"STORE(&{names.element(node)}, {word});")
            for total in totals.get(node, ()):
                name = total.removeprefix("m->").removesuffix("[i]")
                self._held[name] = f"m->{name}"
                self._moved.add(name)
                after.append(f"*{name} += {word};")
        for state, becomes in self._own.items():
            if storage(becomes) is not state:
                name = f"s{names.number(state)}"
                self._moved.add(name)
                after.append(f"*{name} = {self._number(self._word(becomes, state.shape))};")
        self._body += after

    def _told(self, node: Elementwise, word: str) -> list[str]:
        """Spikes as a bit of a train, or stored."""
        names = self._names
        name = f"h{names.number(node)}"
        self._trains[name] = names.buffer(node)
        source = node.args[0] if node.op == "cast" else None
        fired = self._words[storage(source)] if isinstance(source, Node) else ""
        fired = fired if fired in self._truths else self._truth(word)
        return [
            f"#if {are_trains(names.chunk)}",
            f"*{name} = VARIANT(spiked)(*{name}, {fired}, at);",
            f"(void)m, (void)i, (void){word};",
            "#else",
            f"STORE(&{names.element(node)}, {word});",
            f"(void){name};",
            "#endif",
        ]

    def _compute(self, node: Elementwise) -> str:
        words = []
        for at, argument in enumerate(directly(node, self._group.nodes)):
            word = self._word(argument, node.shape) if isinstance(argument, Node) else f"SPREAD({number(argument)})"
            wants_truth = node.op in LOGIC or (node.op == "where" and at == 0)
            words.append(self._truth(word) if wants_truth else self._number(word))
        name = f"v{self._names.number(node)}"
        self._body.append(f"const {'TRUTH' if node.is_truth else 'VECTOR'} {name} = {written(node.op, words)};")
        if node.is_truth:
            self._truths.add(name)
        self._words[node] = name
        return name

    def _word(self, value: Node, shape: Shape) -> str:
        names, node = self._names, storage(value)
        if isinstance(node, Constant):
            return f"LOAD({names.constant(value, shape, self._like)} + i)"
        if node not in self._words:
            name = f"v{names.number(node)}"
            if node in names.schedule.steady:
                self._steady[name] = names.row(node)
                self._words[node] = name
            else:
                self._words[node] = self._load(name, f"LOAD(&{names.element(node)})")
        return self._words[node]

    def _load(self, name: str, where: str) -> str:
        self._loads.append(f"const VECTOR {name} = {where};")
        return name

    def _number(self, word: str) -> str:
        return f"CHOOSE({word}, {ONE}, {ZERO})" if word in self._truths else word

    def _truth(self, word: str) -> str:
        return word if word in self._truths else f"NE({word}, {ZERO})"
