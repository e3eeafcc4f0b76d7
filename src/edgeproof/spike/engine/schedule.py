"""In which order, and over how many time steps at once, the values of a program are computed; and which have a buffer.

Layers run over a chunk of time steps before the next one begins, so that weights are read once for many steps. Only
what feeds back into itself through a layer runs step by step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from edgeproof.spike.engine.components import components
from edgeproof.spike.engine.layout import Layouts, layouts
from edgeproof.spike.program import (
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
    storage,
    walk,
)
from edgeproof.spike.simplify import binary_among

__all__ = ["LANES", "Delay", "Group", "Kernel", "Layer", "Schedule", "Stage", "padded", "schedule"]

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

    nodes: tuple[Elementwise, ...]
    """Sources first."""
    states: tuple[tuple[State, Node], ...]
    """States that are carried within the loop, and what they are after the step."""


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

    def states(self) -> set[State]:
        """States that it moves on."""
        delayed = {kernel.state for kernel in self.kernels if isinstance(kernel, Delay)}
        return delayed.union(
            *([state for state, _ in kernel.states] for kernel in self.kernels if isinstance(kernel, Group))
        )


@dataclass(frozen=True, eq=False)
class Schedule:
    """What ``emit`` writes down.

    Attributes:
        program: what is computed.
        stages: in order.
        steady: values that are the same at every step.
        stored: values that have a buffer, with one row per step of the chunk (one row if steady), in a fixed order.
        layouts: how values stand.
        binary: values of which every element is 0 or 1.
        chunk: time steps at once.
    """

    program: Program
    stages: tuple[Stage, ...]
    steady: frozenset[Node]
    stored: Mapping[Node, None]
    layouts: Layouts
    binary: frozenset[Node]
    chunk: int


def padded(size: int) -> int:
    """A buffer's length for so many numbers."""
    return -(-size // LANES) * LANES


def schedule(program: Program) -> Schedule:
    """What is computed after what, and how many time steps at once."""
    order = [node for node in walk(program.roots()) if not isinstance(node, (Reshape, Constant))]
    known = set(order)
    order += [state for state, _ in program.states if state not in known]
    known.update(order)
    after = {state: storage(value) for state, value in program.states}
    found, steady = layouts(program), _steady(order, program)

    def needs(node: Node) -> list[Node]:
        sources = [after[node]] if isinstance(node, State) else _sources(node)
        return [source for source in sources if source in known]

    stages: list[Stage] = []
    for component in components(order, needs):
        kernels, stepwise = _kernels_of(component, after, found)
        for group in [kernels] if stepwise else [[kernel] for kernel in kernels]:
            _append(
                stages, Stage(tuple(group), stepwise, steady=all(_made(kernel) <= steady for kernel in group)), found
            )
    stored = _stored(program, [node for node in program.inputs if node in known], stages, steady)
    busy = [stage for stage in stages if any(map(partial(_changes, stored), stage.kernels))]
    row = sum(padded(node.size) for node in stored if node not in steady)
    most = max(1, CHUNK_FLOATS // max(row, 1))
    chunk = -(-program.timesteps // -(-program.timesteps // most))
    return Schedule(program, tuple(busy), frozenset(steady), stored, found, binary_among(program.roots()), chunk)


def _sources(node: Node) -> list[Node]:
    return [source for source in map(storage, node.sources) if not isinstance(source, Constant)]


def _kernels_of(component: Sequence[Node], after: Mapping[State, Node], found: Layouts) -> tuple[list[Kernel], bool]:
    """The kernels of one component in the order of a step, and whether it must run step by step."""
    states = [node for node in component if isinstance(node, State)]
    kernels: list[Kernel] = []
    for node in component:
        if isinstance(node, (Linear, Convolution, Pool)):
            kernels.append(Layer(node))
        elif isinstance(node, Elementwise):
            kernels.append(Group((node,), ()))
    if len(component) == 1:
        kernels += [
            Group((), ((state, state),)) if after[state] is state else Delay(state, after[state]) for state in states
        ]
        return kernels, False
    if len({(node.size, found.of(node)) for node in component}) == 1 and not any(
        isinstance(kernel, Layer) for kernel in kernels
    ):
        nodes = tuple(node for node in component if isinstance(node, Elementwise))
        return [Group(nodes, tuple((state, after[state]) for state in states))], False
    return _with_states(_fused(kernels, found), states, after), True


def _with_states(kernels: list[Kernel], states: Sequence[State], after: Mapping[State, Node]) -> list[Kernel]:
    """States move on in the loop that makes what they become, where nothing after it reads them; else after the step.

    After the step they go in an order in which none overwrites what another passes on.
    """
    home: dict[Node, int] = {
        node: at for at, group in enumerate(kernels) if isinstance(group, Group) for node in group.nodes
    }
    last: dict[Node, int] = {}
    for at, kernel in enumerate(kernels):
        last.update(dict.fromkeys(_read(kernel), at))
    passed_on = set(after.values())
    carried: dict[int, list[tuple[State, Node]]] = {}
    delays: list[Delay] = []
    for state in states:
        at = home.get(after[state], -1)
        if at >= 0 and last.get(state, at) <= at and state not in passed_on:
            carried.setdefault(at, []).append((state, after[state]))
        else:
            delays.append(Delay(state, after[state]))
    for at, mine in carried.items():
        group = kernels[at]
        assert isinstance(group, Group)
        kernels[at] = Group(group.nodes, tuple(mine))

    delayed = {delay.state for delay in delays}

    def passes(delay: Delay) -> int:
        """How many states a value has passed before this one, within the step."""
        count, source = 0, delay.after
        while isinstance(source, State) and source in delayed:
            count, source = count + 1, after[source]
        return count

    return [*kernels, *sorted(delays, key=passes, reverse=True)]


def _append(stages: list[Stage], stage: Stage, found: Layouts) -> None:
    """Add a stage; a loop after a loop of the same kind becomes one, and so do delays."""
    last = stages[-1] if stages else None
    if last and not last.stepwise and not stage.stepwise and last.steady == stage.steady:
        both = [*last.kernels, *stage.kernels]
        fused = _fused(both, found)
        if len(fused) == len(last.kernels) or all(isinstance(kernel, Delay) for kernel in both):
            stages[-1] = Stage(tuple(fused), False, stage.steady)
            return
    stages.append(stage)


def _fused(kernels: Sequence[Kernel], layouts: Layouts) -> list[Kernel]:
    """Neighbouring groups of one size and layout as one loop."""
    found: list[Kernel] = []
    for kernel in kernels:
        last = found[-1] if found else None
        if isinstance(kernel, Group) and isinstance(last, Group) and _same_place(last, kernel, layouts):
            found[-1] = Group((*last.nodes, *kernel.nodes), (*last.states, *kernel.states))
        else:
            found.append(kernel)
    return found


def _same_place(a: Group, b: Group, found: Layouts) -> bool:
    first, other = ((*group.nodes, *(state for state, _ in group.states))[0] for group in (a, b))
    return (first.size, found.of(first)) == (other.size, found.of(other))


def _changes(stored: Mapping[Node, None], kernel: Kernel) -> bool:
    """Whether it is more than states that stay as they are and that nothing reads."""
    if isinstance(kernel, Group) and not kernel.nodes:
        return any(storage(after) is not state or state in stored for state, after in kernel.states)
    return True


def _made(kernel: Kernel) -> set[Node]:
    if isinstance(kernel, Layer):
        return {kernel.node}
    if isinstance(kernel, Delay):
        return {kernel.state}
    return {*kernel.nodes, *(state for state, _ in kernel.states)}


def _read(kernel: Kernel) -> list[Node]:
    if isinstance(kernel, Layer):
        return _sources(kernel.node)
    if isinstance(kernel, Delay):
        return [kernel.after]
    return [
        *(source for node in kernel.nodes for source in _sources(node)),
        *(storage(after) for _, after in kernel.states),
    ]


def _steady(order: Sequence[Node], program: Program) -> set[Node]:
    """Values that neither a state nor a changing input reaches."""
    steady: set[Node] = set()
    for node in order:
        if isinstance(node, Input):
            if not program.sequence:
                steady.add(node)
        elif not isinstance(node, State) and all(source in steady for source in _sources(node)):
            steady.add(node)
    return steady


def _stored(program: Program, inputs: Sequence[Input], stages: Sequence[Stage], steady: set[Node]) -> dict[Node, None]:
    """Inputs, layers' results, and what leaves its loop: as a source elsewhere, as an output, as a delayed value."""
    home = {node: kernel for stage in stages for kernel in stage.kernels for node in _made(kernel)}
    kept: dict[Node, None] = dict.fromkeys(inputs)
    for stage in stages:
        moved = stage.states() if stage.stepwise else set()
        for kernel in stage.kernels:
            if isinstance(kernel, Layer):
                kept[kernel.node] = None
            elif isinstance(kernel, Delay) and not stage.stepwise:
                kept[kernel.state] = None
            kept.update(
                dict.fromkeys(node for node in _read(kernel) if home.get(node) is not kernel and node not in moved)
            )
    for output in program.outputs:
        node = storage(output.node)
        added_up = output.readout in ("sum", "mean") and isinstance(node, Elementwise) and node not in steady
        if not added_up:
            kept[node] = None
    return {node: None for node in kept if not isinstance(node, Constant)}
