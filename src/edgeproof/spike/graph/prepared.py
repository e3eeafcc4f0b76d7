"""A network made ready to run, and one time step of it on values of any kind.

The same step runs on numpy arrays (``reference``), on symbols (``lower``), and on PyTorch's tensors. It says nothing of
time: who calls it, loops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edgeproof.spike.graph.discretise import delay_steps, is_stateful, neuron_of
from edgeproof.spike.graph.network import Network
from edgeproof.spike.graph.primitives import Array, Delay, Shape
from edgeproof.spike.graph.structure import Structure, analyse
from edgeproof.spike.neurons.models import NeuronModel
from edgeproof.spike.neurons.ops import Ops, Value

__all__ = ["Backend", "Prepared", "State", "map_numbers", "prepare", "step"]


@dataclass(frozen=True)
class State:
    """What a network remembers between two time steps, by node. It is not changed by a step.

    Attributes:
        neurons: each neuron's state, values of the node's shape.
        previous: what the sources of loops gave.
        delayed: what a Delay holds, latest first, as many values as its longest delay has steps.
    """

    neurons: Mapping[str, Any]
    previous: Mapping[str, Value]
    delayed: Mapping[str, tuple[Value, ...]]

    def leaves(self) -> Iterator[tuple[str, Value]]:
        """Every value, each with a name of its own."""
        for name, parts in self.neurons.items():
            for field, part in zip(parts._fields, parts, strict=True):
                yield f"{name}.{field}", part
        for name, value in self.previous.items():
            yield f"{name}.previous", value
        for name, held in self.delayed.items():
            for steps, value in enumerate(held, 1):
                yield f"{name}.{steps}", value

    def filled(self, values: Iterable[Value]) -> State:
        """The same structure with other values, in the order of ``leaves``."""
        rest = iter(values)
        return State(
            {name: type(parts)(*(next(rest) for _ in parts)) for name, parts in self.neurons.items()},
            {name: next(rest) for name in self.previous},
            {name: tuple(next(rest) for _ in held) for name, held in self.delayed.items()},
        )


@dataclass(frozen=True)
class Prepared:
    """A network that can run.

    Attributes:
        structure: its nodes in order, shapes, and which edges close loops.
        neurons: model and parameters of each neuron, every number a float32 array.
        delays: steps of each Delay, one number per element.
        sources: the nodes whose values are added for a node, in order.
    """

    structure: Structure
    neurons: Mapping[str, tuple[NeuronModel, Any]]
    delays: Mapping[str, Array]
    sources: Mapping[str, tuple[str, ...]]


class Backend(Protocol):
    """What a step asks of the kind of value it runs on."""

    @property
    def ops(self) -> Ops:
        """Functions of values."""

    def params(self, name: str) -> Any:
        """Parameters of a neuron."""

    def held_back(self, name: str, steps: int) -> Value:
        """Truths: which elements a Delay holds back for so many steps."""

    def full(self, value: Value, shape: Shape) -> Value:
        """The value in that shape."""

    def compute(self, name: str, x: Value) -> Value:
        """The output of a node without a memory."""


def prepare(network: Network) -> Prepared:
    """Check a network and work out what a step needs.

    Raises:
        SpikeGraphError: it cannot run.
    """
    structure = analyse(network)
    semantics = structure.network.semantics
    sources: dict[str, list[str]] = {name: [] for name in structure.nodes}
    for source, target in structure.network.edges:
        sources[target].append(source)
    return Prepared(
        structure,
        {name: neuron_of(node, semantics, name) for name, node in structure.nodes.items() if is_stateful(node)},
        {
            name: np.broadcast_to(delay_steps(node, semantics.dt_s, name), structure.shapes[name])
            for name, node in structure.nodes.items()
            if isinstance(node, Delay)
        },
        {name: tuple(found) for name, found in sources.items()},
    )


def step(
    prepared: Prepared, backend: Backend, inputs: Mapping[str, Value], before: State
) -> tuple[dict[str, Value], State]:
    """One time step: the outputs of all nodes by name, and the state after it.

    Every node is computed once, in the order of the structure; what several edges bring is added in the order of the
    edges; an edge that closes a loop brings what its source gave in the step before.
    """
    structure = prepared.structure
    values: dict[str, Value] = {}
    neurons: dict[str, Any] = {}

    def brought(name: str) -> Value:
        total: Value = None
        for source in prepared.sources[name]:
            part = before.previous[source] if (source, name) in structure.feedback else values[source]
            total = part if total is None else total + part
        return total

    for name in structure.nodes:
        shape = structure.shapes[name]
        if name in inputs:
            values[name] = inputs[name]
        elif name in prepared.neurons:
            output, after = prepared.neurons[name][0].step(
                brought(name), before.neurons[name], backend.params(name), backend.ops
            )
            values[name] = backend.full(output, shape)
            neurons[name] = type(after)(*(backend.full(part, shape) for part in after))
        elif name in prepared.delays:
            steps = prepared.delays[name]
            now = brought(name) if steps.min() == 0 else None
            values[name] = _picked(backend, name, (now, *before.delayed.get(name, ())), steps)
        else:
            values[name] = backend.compute(name, brought(name))
    delayed = {name: (brought(name), *held[:-1]) for name, held in before.delayed.items()}
    return values, State(neurons, {name: values[name] for name in before.previous}, delayed)


def _picked(backend: Backend, name: str, held: tuple[Value, ...], steps: Array) -> Value:
    shortest, *longer = (int(count) for count in np.unique(steps))
    value = held[shortest]
    for count in longer:
        value = backend.ops.where(backend.held_back(name, count), held[count], value)
    return value


def map_numbers(params: Any, change: Any) -> Any:
    """Parameters with every array in them changed; rules and flags as they are."""
    if isinstance(params, tuple) and hasattr(params, "_fields"):
        return type(params)(*(map_numbers(part, change) for part in params))
    return change(params) if isinstance(params, np.ndarray) else params
