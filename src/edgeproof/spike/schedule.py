"""In which order, and over how many time steps at once, the values of a program are computed; and where they stand.

Layers run over a chunk of time steps before the next one begins, so that weights are read once for many steps. Only
what feeds back into itself through a layer runs step by step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgeproof.errors import ConversionError
from edgeproof.spike.program import (
    Array,
    Constant,
    Convolution,
    Elementwise,
    Input,
    Linear,
    Node,
    Pool,
    Program,
    Reshape,
    State,
    walk,
)

__all__ = ["Delay", "Group", "Kernel", "Layer", "Schedule", "Stage", "layout_of", "padded", "schedule", "storage"]

LANES = 16
"""Buffers hold a multiple of this many numbers: the widest vector."""
CHUNK_FLOATS = 1 << 16
"""What the buffers of a chunk may hold together: 256 KiB, a second-level cache."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One linear layer, convolution or pooling."""

    node: Linear | Convolution | Pool


@dataclass(frozen=True, eq=False)
class Group:
    """Elementwise values and states of one size, computed together in one loop."""

    nodes: tuple[Node, ...]
    """Elementwise nodes, sources first."""
    states: tuple[tuple[State, Node], ...]
    """States that are carried within the loop."""


@dataclass(frozen=True, eq=False)
class Delay:
    """A state that only passes a value on to the next step: a buffer, shifted by one."""

    state: State
    after: Node


Kernel = Layer | Group | Delay


@dataclass(frozen=True, eq=False)
class Stage:
    """Kernels that run after one another, each over the whole chunk; or all of them step by step."""

    kernels: tuple[Kernel, ...]
    stepwise: bool
    steady: bool
    """Whether it depends on nothing that changes over time: computed once in a call."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """What ``emit`` writes down.

    Attributes:
        program: what is computed.
        stages: in order.
        steady: values that are the same at every step.
        stored: values that have a buffer, with one row per step of the chunk (one row if steady).
        chunk: time steps at once.
    """

    program: Program
    stages: tuple[Stage, ...]
    steady: frozenset[Node]
    stored: tuple[Node, ...]
    chunk: int


def padded(size: int) -> int:
    """A buffer's length for so many numbers."""
    return -(-size // LANES) * LANES


def storage(node: Node) -> Node:
    """The node in whose buffer the value stands: reshaping moves nothing."""
    while isinstance(node, Reshape):
        node = node.x
    return node


def layout_of(node: Node) -> Array:
    """Where in its buffer each element stands, in the order of the shape: images have their channels innermost."""
    node = storage(node)
    if isinstance(node, Elementwise):
        images = [layout_of(one) for one in node.sources if not isinstance(storage(one), Constant)]
        if images:
            return images[0]
    if len(node.shape) != 3:
        return np.arange(node.size)
    channels, rows, columns = node.shape
    return np.arange(node.size).reshape(rows, columns, channels).transpose(2, 0, 1).reshape(-1)


def schedule(program: Program) -> Schedule:
    """Plan a program.

    Raises:
        ConversionError: values in one operation that stand in different orders.
    """
    order = [node for node in walk(program.roots()) if not isinstance(node, (Reshape, Constant))]
    order += [state for state, _ in program.states if state not in set(order)]
    after = {state: storage(value) for state, value in program.states}
    steady = _steady(order, program)
    stages: list[Stage] = []
    for component in _components(order, after):
        kernels, stepwise = _kernels_of(component, after)
        for group in [kernels] if stepwise else [[one] for one in kernels]:
            _append(stages, Stage(tuple(group), stepwise, steady=all(_made(one) <= steady for one in group)))
    stored = _stored(program, stages, steady)
    rows = sum(padded(node.size) for node in stored if node not in steady)
    chunk = max(1, min(program.timesteps, CHUNK_FLOATS // max(rows, 1)))
    return Schedule(program, tuple(stages), frozenset(steady), stored, chunk)


def _sources(node: Node) -> tuple[Node, ...]:
    return tuple(one for one in map(storage, node.sources) if not isinstance(one, Constant))


def _components(order: Sequence[Node], after: dict[State, Node]) -> Iterator[list[Node]]:
    """Strongly connected components, what they need first (Tarjan, without recursion)."""
    index: dict[Node, int] = {}
    low: dict[Node, int] = {}
    stack: list[Node] = []
    on_stack: set[Node] = set()
    position = {node: i for i, node in enumerate(order)}

    def needs(node: Node) -> list[Node]:
        found = [after[node]] if isinstance(node, State) and node in after else list(_sources(node))
        return [one for one in found if one in position]

    for start in order:
        if start in index:
            continue
        work: list[tuple[Node, Iterator[Node]]] = []
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        work.append((start, iter(needs(start))))
        while work:
            node, rest = work[-1]
            for one in rest:
                if one not in index:
                    index[one] = low[one] = len(index)
                    stack.append(one)
                    on_stack.add(one)
                    work.append((one, iter(needs(one))))
                    break
                if one in on_stack:
                    low[node] = min(low[node], index[one])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = []
                    while True:
                        one = stack.pop()
                        on_stack.discard(one)
                        component.append(one)
                        if one is node:
                            break
                    yield sorted(component, key=lambda one: position[one])


def _kernels_of(component: list[Node], after: dict[State, Node]) -> tuple[list[Kernel], bool]:
    """The kernels of one component in the order of a step, and whether it must run step by step."""
    layers = [node for node in component if isinstance(node, (Linear, Convolution, Pool))]
    states = [node for node in component if isinstance(node, State)]
    if len(component) == 1:
        node = component[0]
        if isinstance(node, State):
            return ([Group((), ((node, node),))] if after.get(node) is node else [Delay(node, after[node])]), False
        if isinstance(node, Input):
            return [], False
        return ([Layer(node)] if layers else [Group((node,), ())]), False  # type: ignore[arg-type]
    if not layers and len({node.size for node in component}) == 1:
        elementwise = tuple(node for node in component if isinstance(node, Elementwise))
        return [Group(elementwise, tuple((state, after[state]) for state in states))], False
    kernels: list[Kernel] = [
        Layer(node) if isinstance(node, (Linear, Convolution, Pool)) else Group((node,), ())
        for node in component
        if not isinstance(node, (State, Input))
    ]
    return [*_fused(kernels), *_delays(states, after)], True


def _delays(states: Sequence[State], after: dict[State, Node]) -> list[Delay]:
    """At the end of a step, in an order in which none overwrites what another passes on."""
    waiting, found = list(states), []
    while waiting:
        free = [one for one in waiting if not any(after[other] is one for other in waiting if other is not one)]
        if not free:
            raise ConversionError("states that change places with one another are not known to the engine")
        found += [Delay(one, after[one]) for one in free]
        waiting = [one for one in waiting if one not in free]
    return found


def _append(stages: list[Stage], stage: Stage) -> None:
    """Add a stage; a loop after a loop of the same kind becomes one."""
    last = stages[-1] if stages else None
    if last and not last.stepwise and not stage.stepwise and last.steady == stage.steady:
        fused = _fused([*last.kernels, *stage.kernels])
        if len(fused) == len(last.kernels):
            stages[-1] = Stage(tuple(fused), False, stage.steady)
            return
    stages.append(stage)


def _fused(kernels: Sequence[Kernel]) -> list[Kernel]:
    """Neighbouring groups of one size and layout as one loop."""
    found: list[Kernel] = []
    for one in kernels:
        last = found[-1] if found else None
        if isinstance(one, Group) and isinstance(last, Group) and _same_place(last, one):
            found[-1] = Group((*last.nodes, *one.nodes), (*last.states, *one.states))
        else:
            found.append(one)
    return found


def _same_place(a: Group, b: Group) -> bool:
    one, other = _any_node(a), _any_node(b)
    return one.size == other.size and np.array_equal(layout_of(one), layout_of(other))


def _any_node(group: Group) -> Node:
    return group.nodes[0] if group.nodes else group.states[0][0]


def _made(kernel: Kernel) -> set[Node]:
    if isinstance(kernel, Layer):
        return {kernel.node}
    if isinstance(kernel, Delay):
        return {kernel.state}
    return {*kernel.nodes, *(state for state, _ in kernel.states)}


def _steady(order: Sequence[Node], program: Program) -> set[Node]:
    """Values that neither a state nor a changing input reaches."""
    steady: set[Node] = set()
    for node in order:
        if isinstance(node, Input):
            if not program.sequence:
                steady.add(node)
        elif not isinstance(node, State) and all(one in steady for one in _sources(node)):
            steady.add(node)
    return steady


def _stored(program: Program, stages: Sequence[Stage], steady: set[Node]) -> tuple[Node, ...]:
    """Inputs, layers' results, and what leaves its loop: as a source elsewhere, as an output, as a delayed value."""
    home: dict[Node, Kernel] = {}
    for stage in stages:
        for kernel in stage.kernels:
            home.update(dict.fromkeys(_made(kernel), kernel))
    stepwise = {kernel for stage in stages if stage.stepwise for kernel in stage.kernels}
    kept: dict[Node, None] = dict.fromkeys(program.inputs)
    for node, kernel in home.items():
        if isinstance(kernel, Layer) or (isinstance(kernel, Delay) and kernel not in stepwise):
            kept[node] = None
    for stage in stages:
        for kernel in stage.kernels:
            for one in _read(kernel):
                delayed = isinstance(home.get(one), Delay) and stage.stepwise and home[one] in stage.kernels
                if home.get(one) is not kernel and not delayed:
                    kept[one] = None
    for output in program.outputs:
        node = storage(output.node)
        added_up = output.readout in ("sum", "mean") and isinstance(home.get(node), Group) and node not in steady
        if not added_up or isinstance(node, State):
            kept[node] = None
    for node in kept:
        if isinstance(node, Constant):
            raise ConversionError("an output of the model is the same whatever its input is")
    return tuple(kept)


def _read(kernel: Kernel) -> set[Node]:
    if isinstance(kernel, Layer):
        return set(_sources(kernel.node))
    if isinstance(kernel, Delay):
        return {kernel.after}
    return {one for node in kernel.nodes for one in _sources(node)} | {storage(after) for _, after in kernel.states}
