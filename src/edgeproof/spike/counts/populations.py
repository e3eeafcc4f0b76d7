"""Which neurons a program has: values that are spikes, and the states behind them. It itself has arithmetic only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgeproof.spike.program import Convolution, Elementwise, Linear, Node, Pool, Program, State, storage, walk
from edgeproof.spike.simplify import binary_among

__all__ = ["Population", "populations"]

MEMBRANES = frozenset(("mem", "v", "membrane", "potential"))
"""What libraries call a membrane potential, as the last word of a state's name."""
PREFIX = "state_"
"""What the name of every state of an exported step begins with."""
Carried = tuple[State, Node]


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons that are computed together.

    Attributes:
        name: what their states have in common, or the first of them.
        shape: of the neurons.
        spikes: a node of which every element is 0 or 1; None where they give no spikes.
        states: what they carry, each with its value after the step.
        membranes: those of the states that are membrane potentials: by their names, or all where no name says so.
    """

    name: str
    shape: tuple[int, ...]
    spikes: Node | None
    states: tuple[Carried, ...]
    membranes: tuple[Carried, ...]


def populations(program: Program) -> tuple[Population, ...]:
    """The neurons of a program, in the order of computation.

    Spikes are what a layer or an output takes of which every element is 0 or 1. Their states are those they are
    computed from by elementwise operations alone, up to other spikes. States that are behind no spikes and depend on
    one another are neurons without spikes. A state that only holds spikes back is none of a neuron's own.
    """
    after = {state: storage(value) for state, value in program.states}
    values = dict(program.states)
    trains = _trains(program, after)
    held = {state for state in after if _plain(_source(state, after)) in trains}
    free = [state for state in after if state not in held]
    taken: dict[State, Node] = {}
    for train in trains:
        for state in _behind(train, trains):
            if state in free:
                taken.setdefault(state, train)
    for state in free:
        behind = [taken[state_behind] for state_behind in _behind(after[state], trains) if state_behind in taken]
        if state not in taken and behind:
            taken[state] = behind[0]
    found: list[Population] = []
    for train in trains:
        own = [state for state in free if taken.get(state) is train]
        found.append(_population(own, train, values, len(found)))
    for group in _connected([state for state in free if state not in taken], after, trains):
        found.append(_population(group, None, values, len(found)))
    return _with_names_once(found)


def _trains(program: Program, after: Mapping[State, Node]) -> tuple[Node, ...]:
    """Spikes that go somewhere, in the order of computation."""
    binary = binary_among(program.roots())
    order = list(walk(program.roots()))
    takers = [node.x for node in order if isinstance(node, (Linear, Convolution, Pool))]
    going = {_source(node, after) for node in (*takers, *(output.node for output in program.outputs))}
    wanted = {_plain(node) for node in going if node in binary and isinstance(node, Elementwise)}
    return tuple(node for node in order if node in wanted)


def _source(node: Node, after: Mapping[State, Node]) -> Node:
    """Where a value comes from: states that only hold it back are looked through."""
    node, seen = storage(node), set[Node]()
    while isinstance(node, State) and node not in seen:
        seen.add(node)
        node = after[node]
    return node


def _plain(node: Node) -> Node:
    """Spikes as truth values, where they are a number made of one."""
    node = storage(node)
    while isinstance(node, Elementwise) and node.op == "cast":
        node = storage(node.sources[0])
    return node


def _behind(node: Node, trains: Sequence[Node]) -> Iterator[State]:
    """States that a value is computed from by elementwise operations, not through other spikes."""
    seen, waiting = {node}, [node]
    while waiting:
        behind = waiting.pop()
        if isinstance(behind, State):
            yield behind
        if isinstance(behind, Elementwise):
            for source in map(storage, behind.sources):
                if source not in seen and source not in trains:
                    seen.add(source)
                    waiting.append(source)


def _connected(states: Sequence[State], after: Mapping[State, Node], trains: Sequence[Node]) -> list[list[State]]:
    """States in groups: two are together where one becomes something that is computed from the other."""
    groups: list[list[State]] = []
    for state in states:
        near = {other for other in _behind(after[state], trains) if other in states} | {state}
        joined = [
            group
            for group in groups
            if any(member in near or state in _behind(after[member], trains) for member in group)
        ]
        groups = [group for group in groups if group not in joined]
        groups.append([*(member for group in joined for member in group), state])
    return groups


def _population(states: Sequence[State], train: Node | None, values: Mapping[State, Node], number: int) -> Population:
    carried = tuple((state, values[state]) for state in states)
    named = tuple(pair for pair in carried if re.split(r"[./_]", pair[0].name.lower())[-1] in MEMBRANES)
    like = train if train is not None else states[0]
    return Population(
        name=_common([state.name for state in states]) or f"neurons {number + 1}",
        shape=like.shape,
        spikes=train,
        states=carried,
        membranes=named or carried,
    )


def _common(names: Sequence[str]) -> str:
    """The path that names have in common, without the last word of each; nothing where that says nothing."""
    paths = [re.split(r"([./]|_(?!.*[./]))", name.removeprefix(PREFIX))[:-2] for name in names]
    same = []
    for words in zip(*paths, strict=False):
        if len(set(words)) > 1:
            break
        same.append(words[0])
    found = "".join(same).strip("./_")
    return "" if found.isdigit() else found


def _with_names_once(found: Sequence[Population]) -> tuple[Population, ...]:
    """A second population of a name gets a number."""
    names = [population.name for population in found]
    return tuple(
        population
        if names.count(population.name) == 1
        else Population(
            f"{population.name} {names[: at + 1].count(population.name)}",
            population.shape,
            population.spikes,
            population.states,
            population.membranes,
        )
        for at, population in enumerate(found)
    )
