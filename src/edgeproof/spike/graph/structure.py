"""Whether a network can be run, and in which order: reachability, loops, shapes, and numbers that are numbers."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.discretise import delay_steps, is_stateful, neuron_of
from edgeproof.spike.graph.network import Edge, Network, flattened
from edgeproof.spike.graph.primitives import Delay, Input, Neuron, Output, Primitive, Shape, numbers
from edgeproof.spike.graph.shapes import MAX_VALUES, check_shape, output_shape
from edgeproof.spike.neurons.models import MODELS

__all__ = ["Structure", "analyse"]


@dataclass(frozen=True)
class Structure:
    """A network that can be run.

    Attributes:
        network: on one level, every node a primitive.
        nodes: its nodes, with ``order`` as their order.
        shapes: what each node gives.
        taken: what each node gets.
        order: in which the nodes are computed in a time step.
        feedback: edges that close a loop. They carry what their source gave in the step before; before the first step,
            what it gives while every input and neuron is silent.
        late: edges into a Delay of a step or more, which is read at the beginning of a step and fed at its end.
    """

    network: Network
    nodes: Mapping[str, Primitive]
    shapes: Mapping[str, Shape]
    taken: Mapping[str, Shape]
    order: tuple[str, ...]
    feedback: frozenset[Edge]
    late: frozenset[Edge]

    def named(self, kind: type[Primitive]) -> tuple[str, ...]:
        """The nodes of a kind, in the network's order."""
        return tuple(name for name in self.network.nodes if isinstance(self.nodes[name], kind))


def analyse(network: Network) -> Structure:
    """Check a network.

    Raises:
        SpikeGraphError: what is wrong, where, and what was expected.
    """
    flat = flattened(network)
    nodes = {name: node for name, node in flat.nodes.items() if isinstance(node, Primitive)}
    for name, node in nodes.items():
        _check_numbers(name, node)
    _check_borders(flat, nodes)
    dt_s = flat.semantics.dt_s
    late = frozenset((source, target) for source, target in flat.edges if _holds_back(nodes[target], target, dt_s))
    _check_loops(nodes, [edge for edge in flat.edges if edge not in late])
    shapes, taken = _shapes(flat, nodes)
    values = sum(map(math.prod, shapes.values()))
    for name, node in nodes.items():
        if isinstance(node, Delay):
            longest = int(delay_steps(node, dt_s, name).max())
            values += math.prod(check_shape((max(longest, 1), *shapes[name]), f"the memory of the delay {name!r}"))
        if is_stateful(node):
            neuron_of(node, flat.semantics, name)
    if values > MAX_VALUES:
        raise SpikeGraphError(
            f"the nodes give and the delays hold {values:,} numbers in a time step; at most {MAX_VALUES:,} are taken"
        )
    feedback = _feedback(nodes, [edge for edge in flat.edges if edge not in late])
    order = _order(nodes, [edge for edge in flat.edges if edge not in late and edge not in feedback])
    return Structure(flat, {name: nodes[name] for name in order}, shapes, taken, order, feedback, late)


def _check_numbers(name: str, node: Primitive) -> None:
    for part, values in numbers(node):
        check_shape(values.shape, f"{part} of the node {name!r}")
        if values.dtype.kind not in "fiub":
            raise SpikeGraphError(f"{part} of the node {name!r} is of type {values.dtype}; expected real numbers")
        with np.errstate(over="ignore"):
            wrong = int(np.count_nonzero(~np.isfinite(values.astype(np.float32))))
        if wrong:
            raise SpikeGraphError(
                f"{part} of the node {name!r} has {wrong} of {values.size} values that are NaN, infinite, or beyond "
                "float32; expected finite numbers"
            )
    if isinstance(node, Input | Output):
        check_shape(node.shape, f"the {type(node).__name__.lower()} {name!r}")
    if isinstance(node, Neuron) and not (node.model in MODELS and isinstance(node.params, MODELS[node.model].params)):
        raise SpikeGraphError(
            f"the neuron {name!r} is a {node.model!r} with {type(node.params).__name__}; there is no such model",
            hint=f"known are {', '.join(MODELS)}",
        )


def _check_borders(flat: Network, nodes: Mapping[str, Primitive]) -> None:
    for kind in (Input, Output):
        if not any(isinstance(node, kind) for node in nodes.values()):
            raise SpikeGraphError(f"the graph has no {kind.__name__} node; expected one or more")
    for source, target in flat.edges:
        if isinstance(nodes[source], Output):
            raise SpikeGraphError(f"the edge {source!r} → {target!r} leaves an Output")
        if isinstance(nodes[target], Input):
            raise SpikeGraphError(f"the edge {source!r} → {target!r} goes into an Input")


def _holds_back(node: Primitive, name: str, dt_s: float) -> bool:
    return isinstance(node, Delay) and bool(delay_steps(node, dt_s, name).min() >= 1)


def _check_loops(nodes: Mapping[str, Primitive], edges: Iterable[Edge]) -> None:
    passing: dict[str, list[str]] = {name: [] for name, node in nodes.items() if not is_stateful(node)}
    for source, target in edges:
        if source in passing and target in passing:
            passing[target].append(source)
    try:
        TopologicalSorter(passing).prepare()
    except CycleError as error:
        loop = " → ".join(map(repr, error.args[1][:10]))
        raise SpikeGraphError(
            f"the loop {loop} has neither a neuron nor a delay, so its values would depend on themselves",
            hint="put a Delay of one time step or more into it",
        ) from error


def _shapes(flat: Network, nodes: Mapping[str, Primitive]) -> tuple[dict[str, Shape], dict[str, Shape]]:
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for source, target in flat.edges:
        after[source].append(target)
    taken: dict[str, Shape] = {name: node.shape for name, node in nodes.items() if isinstance(node, Input)}
    given: dict[str, Shape] = {}
    waiting = deque(taken)
    while waiting:
        name = waiting.popleft()
        shape = output_shape(nodes[name], taken[name], name)
        given[name] = check_shape(shape, f"what the node {name!r} gives")
        for target in after[name]:
            if target not in taken:
                taken[target] = given[name]
                waiting.append(target)
    alone = [name for name in nodes if name not in given]
    if alone:
        raise SpikeGraphError(f"nothing leads from an Input to the node {alone[0]!r}; expected a path to every node")
    for source, target in flat.edges:
        if given[source] != taken[target]:
            raise SpikeGraphError(
                f"the edge {source!r} → {target!r} brings the shape {given[source]}, and another edge {taken[target]}; "
                "what is added in a node must be of one shape"
            )
    return given, taken


def _feedback(nodes: Mapping[str, Primitive], edges: Iterable[Edge]) -> frozenset[Edge]:
    """The edges that a depth-first walk from the inputs finds to lead back onto its own path.

    In a loop with one way in they are the same whatever the order of the walk. Where there are several ways in, nodes
    without state come first, then names decide.
    """
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for source, target in edges:
        after[source].append(target)
    for targets in after.values():
        targets.sort(key=lambda name: (is_stateful(nodes[name]), name), reverse=True)
    roots = sorted(
        nodes, key=lambda name: (not isinstance(nodes[name], Input), not isinstance(nodes[name], Delay), name)
    )
    found: set[Edge] = set()
    on_path: set[str] = set()
    done: set[str] = set()
    for root in roots:
        stack = [(root, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                on_path.discard(name)
                done.add(name)
            elif name not in done and name not in on_path:
                on_path.add(name)
                stack.append((name, True))
                for target in after[name]:
                    if target in on_path:
                        found.add((name, target))
                    elif target not in done:
                        stack.append((target, False))
    return frozenset(found)


def _order(nodes: Mapping[str, Primitive], edges: Iterable[Edge]) -> tuple[str, ...]:
    before: dict[str, list[str]] = {name: [] for name in sorted(nodes)}
    for source, target in sorted(edges):
        before[target].append(source)
    return tuple(TopologicalSorter(before).static_order())
