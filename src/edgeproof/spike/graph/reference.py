"""What a network computes over time, in plain float32 numpy: the semantics that everything else is held against.

It loops over ``prepared.step``. Written to be read, not fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.network import Network
from edgeproof.spike.graph.operators import compute
from edgeproof.spike.graph.prepared import Prepared, State, prepare, step
from edgeproof.spike.graph.primitives import Array, Delay, Input, Output, Shape, Threshold
from edgeproof.spike.graph.structure import Structure
from edgeproof.spike.neurons.firing import fires
from edgeproof.spike.neurons.ops import NumpyOps

__all__ = ["NumpyBackend", "Run", "State", "first_state", "run"]

F = np.float32


@dataclass(frozen=True)
class Run:
    """Outputs of a run, float32 with the time axis first.

    Attributes:
        outputs: by the name of the Output.
        state: after the last step; a run that is given it goes on.
        traces: outputs of the nodes that were asked for.
        semantics: in words.
    """

    outputs: Mapping[str, Array]
    state: State
    traces: Mapping[str, Array]
    semantics: str


class NumpyBackend:
    """A step on numpy arrays."""

    def __init__(self, prepared: Prepared) -> None:
        self.ops = NumpyOps()
        self._prepared = prepared

    def params(self, name: str) -> Any:
        return self._prepared.neurons[name][1]

    def held_back(self, name: str, steps: int) -> Array:
        held: Array = self._prepared.delays[name] == steps
        return held

    def full(self, value: Any, shape: Shape) -> Array:
        return np.broadcast_to(np.asarray(value, F), shape)

    def compute(self, name: str, x: Array) -> Array:
        node = self._prepared.structure.nodes[name]
        if isinstance(node, Threshold):
            operator = self._prepared.structure.network.semantics.threshold_operator
            spikes: Array = self.ops.cast(fires(x, np.asarray(node.threshold, F), operator))
            return spikes
        return compute(node, x)


def run(
    network: Network,
    inputs: Array | Mapping[str, Array],
    state: State | None = None,
    *,
    trace: Iterable[str] = (),
) -> Run:
    """Run a network over time.

    Args:
        network: is checked first.
        inputs: for every Input of the network by name, or for its only one: its shape with a time axis more, which
            stands where ``semantics.time_axis`` says.
        state: of an earlier run, to go on from; None begins anew: neurons at rest, delays and loops silent.
        trace: names of nodes (``outer/inner`` in sub-graphs) whose outputs are wanted at every step.

    Raises:
        SpikeGraphError: the network cannot be run, or the inputs do not fit it.
    """
    prepared = prepare(network)
    structure = prepared.structure
    fed, count = _fed(structure, inputs)
    wanted = tuple(trace)
    missing = [name for name in wanted if name not in structure.nodes]
    if missing:
        raise SpikeGraphError(
            f"there is no node {missing[0]!r} to trace", hint=f"nodes are {', '.join(structure.nodes)}"
        )
    now = first = first_state(prepared)
    if state is not None:
        _check_state(state, first)
        now = state
    backend = NumpyBackend(prepared)
    outputs = structure.named(Output)
    kept: dict[str, list[Array]] = {name: [] for name in (*outputs, *wanted)}
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for time in range(count):
            values, now = step(prepared, backend, {name: array[time] for name, array in fed.items()}, now)
            for name, steps in kept.items():
                steps.append(values[name])
    stacked = {
        name: np.stack(steps) if steps else np.zeros((0, *structure.shapes[name]), F) for name, steps in kept.items()
    }
    return Run(
        {name: stacked[name] for name in outputs},
        now,
        {name: stacked[name] for name in wanted},
        structure.network.semantics.statement(),
    )


def first_state(prepared: Prepared) -> State:
    """The state before the first step: neurons at rest, delays and loops silent."""
    structure = prepared.structure
    neurons = {}
    for name, (model, params) in prepared.neurons.items():
        initial = model.initial(params)
        shape = structure.shapes[name]
        neurons[name] = type(initial)(*(np.broadcast_to(np.asarray(part, F), shape) for part in initial))
    delayed = {
        name: (np.zeros(structure.shapes[name], F),) * int(steps.max())
        for name, steps in prepared.delays.items()
        if steps.max() > 0
    }
    silent: dict[str, Array] = {}
    if structure.feedback:
        backend = NumpyBackend(prepared)
        for name in structure.order:
            silent[name] = _silent(prepared, backend, name, silent, neurons)
    return State(neurons, {source: silent[source] for source, _ in sorted(structure.feedback)}, delayed)


def _silent(
    prepared: Prepared, backend: NumpyBackend, name: str, silent: Mapping[str, Array], neurons: Mapping[str, Any]
) -> Array:
    """What a node gives before the first step: nothing comes in and nothing fires."""
    structure = prepared.structure
    if name in prepared.neurons and not prepared.neurons[name][0].spikes:
        resting: Array = neurons[name].v
        return resting
    if name in prepared.neurons or isinstance(structure.nodes[name], Input | Delay):
        return np.zeros(structure.shapes[name], F)
    x = np.zeros(structure.taken[name], F)
    for source in prepared.sources[name]:
        if (source, name) not in structure.feedback:
            x = x + silent[source]
    return backend.compute(name, x)


def _fed(structure: Structure, inputs: Array | Mapping[str, Array]) -> tuple[dict[str, Array], int]:
    names = structure.named(Input)
    if not isinstance(inputs, Mapping):
        if len(names) != 1:
            raise SpikeGraphError(f"the network has the inputs {', '.join(names)}; expected an array for each by name")
        inputs = {names[0]: inputs}
    if set(inputs) != set(names):
        raise SpikeGraphError(f"inputs are given for {sorted(inputs)}; expected {sorted(names)}")
    axis = structure.network.semantics.time_axis
    fed: dict[str, Array] = {}
    for name in names:
        array, shape = np.asarray(inputs[name]), structure.shapes[name]
        if array.ndim != len(shape) + 1 or not -array.ndim <= axis < array.ndim:
            raise SpikeGraphError(_unfit(name, array.shape, shape, axis))
        fed[name] = np.moveaxis(array, axis, 0).astype(F)
        if fed[name].shape[1:] != shape:
            raise SpikeGraphError(_unfit(name, array.shape, shape, axis))
        if not np.all(np.isfinite(fed[name])):
            raise SpikeGraphError(f"the input {name!r} holds NaN or infinite values; expected finite ones")
    counts = {len(array) for array in fed.values()}
    if len(counts) > 1:
        raise SpikeGraphError(f"inputs have {sorted(counts)} time steps; expected the same number")
    return fed, counts.pop()


def _unfit(name: str, given: Shape, shape: Shape, axis: int) -> str:
    return f"the input {name!r} is given {given}; expected {shape} with the time steps as axis {axis}"


def _check_state(given: State, expected: State) -> None:
    for what in ("neurons", "previous", "delayed"):
        ours, theirs = getattr(expected, what), getattr(given, what)
        if set(ours) != set(theirs) or any(np.shape(theirs[name]) != np.shape(ours[name]) for name in ours):
            raise SpikeGraphError(f"the state is not one of this network: its {what} differ")
