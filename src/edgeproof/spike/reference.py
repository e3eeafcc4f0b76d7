"""What a network computes over time, in plain float32 numpy: the semantics that everything else is held against.

One time step computes every node once, in the order of its structure. What several edges bring is added in the order of
the edges. An edge that closes a loop brings what its source gave in the step before. Written to be read, not fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.discretise import delay_steps, is_stateful, neuron_of
from edgeproof.spike.network import Network
from edgeproof.spike.neurons.firing import fires
from edgeproof.spike.neurons.models import NeuronModel
from edgeproof.spike.neurons.ops import NumpyOps
from edgeproof.spike.operators import compute
from edgeproof.spike.primitives import Array, Delay, Input, Output, Shape, Threshold
from edgeproof.spike.structure import Structure, analyse

__all__ = ["Run", "State", "run"]

F = np.float32
OPS = NumpyOps()


@dataclass(frozen=True)
class State:
    """What a network remembers between two time steps, by node. It is not changed by a run.

    Attributes:
        neurons: each neuron's state, arrays of the node's shape.
        previous: what the sources of loops gave.
        delayed: what a Delay holds, [longest delay in steps, ...], latest first.
    """

    neurons: Mapping[str, Any]
    previous: Mapping[str, Array]
    delayed: Mapping[str, Array]


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


@dataclass
class _Plan:
    structure: Structure
    neurons: dict[str, tuple[NeuronModel, Any]] = field(default_factory=dict)
    steps: dict[str, Array] = field(default_factory=dict)
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)


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
    plan = _planned(analyse(network))
    structure = plan.structure
    fed, count = _fed(structure, inputs)
    wanted = tuple(trace)
    missing = [name for name in wanted if name not in structure.nodes]
    if missing:
        raise SpikeGraphError(
            f"there is no node {missing[0]!r} to trace", hint=f"nodes are {', '.join(structure.nodes)}"
        )
    now = state if state is not None else _begin(plan)
    _check_state(now, _begin(plan) if state is not None else now)
    outputs = structure.named(Output)
    kept: dict[str, list[Array]] = {name: [] for name in (*outputs, *wanted)}
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for step in range(count):
            values, now = _step(plan, {name: array[step] for name, array in fed.items()}, now)
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


def _planned(structure: Structure) -> _Plan:
    plan = _Plan(structure)
    semantics = structure.network.semantics
    sources: dict[str, list[str]] = {name: [] for name in structure.nodes}
    for source, target in structure.network.edges:
        sources[target].append(source)
    plan.sources = {name: tuple(found) for name, found in sources.items()}
    for name, node in structure.nodes.items():
        if is_stateful(node):
            plan.neurons[name] = neuron_of(node, semantics, name)
        elif isinstance(node, Delay):
            plan.steps[name] = np.broadcast_to(delay_steps(node, semantics.dt_s, name), structure.shapes[name])
    return plan


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


def _begin(plan: _Plan) -> State:
    structure = plan.structure
    neurons = {
        name: _filled(model.initial(params), structure.shapes[name]) for name, (model, params) in plan.neurons.items()
    }
    delayed = {
        name: np.zeros((int(steps.max()), *structure.shapes[name]), F)
        for name, steps in plan.steps.items()
        if steps.max() > 0
    }
    silent: dict[str, Array] = {}
    if structure.feedback:
        for name in structure.order:
            silent[name] = _silent(plan, name, silent, neurons)
    return State(neurons, {source: silent[source] for source, _ in sorted(structure.feedback)}, delayed)


def _silent(plan: _Plan, name: str, silent: Mapping[str, Array], neurons: Mapping[str, Any]) -> Array:
    """What a node gives before the first step: nothing comes in and nothing fires."""
    structure = plan.structure
    if name in plan.neurons and not plan.neurons[name][0].spikes:
        resting: Array = neurons[name].v
        return resting
    if name in plan.neurons or isinstance(structure.nodes[name], Input | Delay):
        return np.zeros(structure.shapes[name], F)
    earlier = [silent[source] for source in plan.sources[name] if (source, name) not in structure.feedback]
    x = _added(earlier) if earlier else np.zeros(structure.shapes[plan.sources[name][0]], F)
    return _passive(plan, name, x)


def _passive(plan: _Plan, name: str, x: Array) -> Array:
    """The output of a node without a memory."""
    node = plan.structure.nodes[name]
    if isinstance(node, Threshold):
        operator = plan.structure.network.semantics.threshold_operator
        spikes: Array = OPS.cast(fires(x, np.asarray(node.threshold, F), operator))
        return spikes
    return compute(node, x)


def _step(plan: _Plan, inputs: Mapping[str, Array], before: State) -> tuple[dict[str, Array], State]:
    structure = plan.structure
    values: dict[str, Array] = {}
    neurons: dict[str, Any] = {}

    def brought(name: str) -> Array:
        return _added(
            [
                before.previous[source] if (source, name) in structure.feedback else values[source]
                for source in plan.sources[name]
            ]
        )

    for name, node in structure.nodes.items():
        if name in inputs:
            values[name] = inputs[name]
        elif name in plan.neurons:
            model, params = plan.neurons[name]
            output, after = model.step(brought(name), before.neurons[name], params, OPS)
            values[name], neurons[name] = _full(output, structure.shapes[name]), _filled(after, structure.shapes[name])
        elif isinstance(node, Delay):
            steps = plan.steps[name]
            now = np.zeros(steps.shape, F) if steps.min() > 0 else brought(name)
            held = before.delayed.get(name)
            values[name] = now if held is None else _picked(np.concatenate([now[None], held]), steps)
        else:
            values[name] = _passive(plan, name, brought(name))
    delayed = {name: np.concatenate([brought(name)[None], held[:-1]]) for name, held in before.delayed.items()}
    return values, State(neurons, {name: values[name] for name in before.previous}, delayed)


def _added(parts: list[Array]) -> Array:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _picked(held: Array, steps: Array) -> Array:
    picked: Array = np.take_along_axis(held, steps[None], axis=0)[0]
    return picked


def _full(value: Any, shape: Shape) -> Array:
    return np.broadcast_to(np.asarray(value, F), shape)


def _filled(state: Any, shape: Shape) -> Any:
    return type(state)(*(_full(part, shape) for part in state))


def _check_state(given: State, expected: State) -> None:
    for what in ("neurons", "previous", "delayed"):
        ours, theirs = getattr(expected, what), getattr(given, what)
        if set(ours) != set(theirs) or any(np.shape(theirs[name]) != np.shape(ours[name]) for name in ours):
            raise SpikeGraphError(f"the state is not one of this network: its {what} differ")
