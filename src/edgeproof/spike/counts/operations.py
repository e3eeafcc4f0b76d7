"""What a program does on samples, counted: synaptic operations of layers, spikes and membrane updates of neurons.

The definitions are NeuroBench's (Yik et al., "The neurobench framework for benchmarking neuromorphic computing
algorithms and systems", Nature Communications 16, 1545, 2025; package ``neurobench`` 2.3):

- a **synaptic operation** is an input that is not zero meeting a weight that is not zero. It is an accumulate (AC)
  where a layer's input is only ever -1, 0 or 1, else a multiply-accumulate (MAC). Biases are not counted;
- **dense** operations are those of a layer whose inputs and weights are all not zero. Places outside of an image have
  no input, so a padded convolution has fewer of them at its edges;
- a **membrane update** is a time step after which a membrane is another than before; a call's first step always is one;
- **activation sparsity** is the share of zeros among what neurons give, **connection sparsity** among weights.

Nothing here says what the engine does: a layer whose input stays the same is computed once in a call, and counts at
every step.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgeproof.errors import SamplesError
from edgeproof.spike.counts.populations import Population, populations
from edgeproof.spike.interpreter import Trace, interpret
from edgeproof.spike.program import Array, Convolution, Linear, Node, Pool, Program, walk
from edgeproof.spike.taps import places

__all__ = ["LayerCount", "NeuronCount", "OperationCount", "count_operations", "fan_out"]

LayerNode = Linear | Convolution | Pool


@dataclass(frozen=True)
class LayerCount:
    """A layer over all samples and time steps. Poolings have no weights, so no synaptic operations.

    Attributes:
        name: kind and place in the order of computation.
        kind: ``linear``, ``convolution``, ``max pooling`` or ``sum pooling``.
        input_shape, output_shape: of one time step, without a batch.
        weights: how many.
        zero_weights: how many of them are zero.
        inputs: values that came in.
        nonzero_inputs: how many of them were not zero.
        spiking: whether all of them were -1, 0 or 1, so that operations are ACs, not MACs.
        effective: synaptic operations.
        dense: the same, if nothing were zero.
    """

    name: str
    kind: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    weights: int
    zero_weights: int
    inputs: int
    nonzero_inputs: int
    spiking: bool
    effective: int
    dense: int

    @property
    def acs(self) -> int:
        """Accumulates."""
        return self.effective if self.spiking else 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return 0 if self.spiking else self.effective


@dataclass(frozen=True)
class NeuronCount:
    """Neurons of one population over all samples and time steps.

    Attributes:
        name: what their states have in common.
        shape: of the neurons.
        states: names of what they carry from step to step.
        membranes: names of the states whose updates are counted.
        outputs: values they gave; 0 where they give no spikes.
        spikes: how many of them were not zero; None where they give no spikes.
        membrane_updates: see the module.
    """

    name: str
    shape: tuple[int, ...]
    states: tuple[str, ...]
    membranes: tuple[str, ...]
    outputs: int
    spikes: int | None
    membrane_updates: int

    @property
    def membranes_held(self) -> int:
        """Membrane potentials that are carried from step to step."""
        return len(self.membranes) * math.prod(self.shape)

    @property
    def firing_rate(self) -> float | None:
        """Spikes per neuron and time step."""
        return None if self.spikes is None else self.spikes / self.outputs


@dataclass(frozen=True)
class OperationCount:
    """Counts over ``samples`` calls of ``timesteps`` steps each.

    Attributes:
        samples: calls.
        timesteps: of a call.
        layers: in the order of computation.
        neurons: in the order of computation.
        raster: name of spiking neurons → bool ``[time steps, neurons]`` of the first sample.
    """

    samples: int
    timesteps: int
    layers: tuple[LayerCount, ...]
    neurons: tuple[NeuronCount, ...]
    raster: Mapping[str, Array] = field(repr=False)

    @property
    def connection_sparsity(self) -> float | None:
        """Share of weights that are zero; None without weights."""
        weights = sum(layer.weights for layer in self.layers)
        return sum(layer.zero_weights for layer in self.layers) / weights if weights else None

    @property
    def activation_sparsity(self) -> float | None:
        """Share of zeros in what spiking neurons gave; None without any."""
        outputs = sum(neuron.outputs for neuron in self.neurons)
        return 1 - sum(neuron.spikes or 0 for neuron in self.neurons) / outputs if outputs else None


def count_operations(program: Program, samples: Sequence[Mapping[str, Array]]) -> OperationCount:
    """Run samples in numpy and count.

    Args:
        program: what is run.
        samples: inputs of one call each, as ``interpret`` takes them.

    Raises:
        SamplesError: there are no samples.
    """
    if not samples:
        raise SamplesError("operations are counted on samples, and there are none", hint="give one or more")
    layers = {
        node: _Seen(np.zeros(node.x.shape, np.int64))
        for node in walk(program.roots())
        if isinstance(node, (Linear, Convolution, Pool))
    }
    found = populations(program)
    spikes, updates = [0] * len(found), [0] * len(found)
    raster: dict[str, Array] = {}
    for number, sample in enumerate(samples):
        trace: Trace = {node.x: [] for node in layers}
        trace |= {population.spikes: [] for population in found if population.spikes is not None}
        trace |= {after: [] for population in found for _, after in population.membranes}
        interpret(program, sample, trace=trace)
        for node, seen in layers.items():
            seen.add(trace[node.x])
        for at, population in enumerate(found):
            updates[at] += _updates(population, trace)
            if population.spikes is not None:
                train = np.stack(trace[population.spikes]).reshape(program.timesteps, -1) != 0
                spikes[at] += int(np.count_nonzero(train))
                if number == 0:
                    raster[population.name] = train
    steps = len(samples) * program.timesteps
    names = _layer_names(list(layers))
    return OperationCount(
        samples=len(samples),
        timesteps=program.timesteps,
        layers=tuple(_layer(node, seen, names[node], steps) for node, seen in layers.items()),
        neurons=tuple(
            NeuronCount(
                name=population.name,
                shape=population.shape,
                states=tuple(state.name for state, _ in population.states),
                membranes=tuple(state.name for state, _ in population.membranes),
                outputs=0 if population.spikes is None else population.spikes.size * steps,
                spikes=None if population.spikes is None else spikes[at],
                membrane_updates=updates[at],
            )
            for at, population in enumerate(found)
        ),
        raster=raster,
    )


def fan_out(node: Linear | Convolution, connected: Array) -> Array:
    """How many outputs each input reaches, int64 of the input's shape.

    Args:
        node: the layer.
        connected: where a weight counts; bool, of the weight's shape.
    """
    if isinstance(node, Linear):
        outputs: Array = np.count_nonzero(connected, axis=0).astype(np.int64)
        return outputs
    channels, height, width = node.x.shape
    pad_y, pad_x = node.padding
    counts = np.count_nonzero(connected.reshape(node.groups, -1, *connected.shape[1:]), axis=1)
    counts = counts.reshape(channels, *connected.shape[2:])
    reached = np.zeros((channels, height + 2 * pad_y, width + 2 * pad_x), np.int64)
    for ky, kx, seen in places(node):
        reached[(..., *seen)] += counts[:, ky, kx, None, None]
    inside: Array = reached[:, pad_y : pad_y + height, pad_x : pad_x + width]
    return inside


class _Seen:
    """What came into a layer: how often each input was not zero, and whether it was ever a graded value."""

    def __init__(self, nonzero: Array) -> None:
        self.nonzero = nonzero
        self.graded = False

    def add(self, steps: Sequence[Array]) -> None:
        for x in steps:
            self.nonzero += x != 0
            self.graded = self.graded or not bool(np.isin(x, (-1, 0, 1)).all())


def _layer(node: LayerNode, seen: _Seen, name: str, steps: int) -> LayerCount:
    effective = dense = weights = zeros = 0
    if not isinstance(node, Pool):
        connected = np.asarray(node.weight) != 0
        weights, zeros = connected.size, int(connected.size - np.count_nonzero(connected))
        effective = int(np.sum(seen.nonzero * fan_out(node, connected)))
        dense = int(np.sum(fan_out(node, np.ones_like(connected)))) * steps
    return LayerCount(
        name=name,
        kind=_kind(node),
        input_shape=node.x.shape,
        output_shape=node.shape,
        weights=weights,
        zero_weights=zeros,
        inputs=node.x.size * steps,
        nonzero_inputs=int(np.sum(seen.nonzero)),
        spiking=not seen.graded,
        effective=effective,
        dense=dense,
    )


def _kind(node: LayerNode) -> str:
    if isinstance(node, Pool):
        return f"{node.kind} pooling"
    return "linear" if isinstance(node, Linear) else "convolution"


def _layer_names(nodes: Sequence[LayerNode]) -> dict[Node, str]:
    """A layer's kind, with a number where there are several of it."""
    kinds = [_kind(node) for node in nodes]
    return {
        node: kind if kinds.count(kind) == 1 else f"{kind} {kinds[: at + 1].count(kind)}"
        for at, (node, kind) in enumerate(zip(nodes, kinds, strict=True))
    }


def _updates(population: Population, trace: Trace) -> int:
    """All membranes in the first step, later those that have changed."""
    total = 0
    for _, after in population.membranes:
        values = trace[after]
        total += values[0].size
        total += sum(int(np.count_nonzero(now != before)) for before, now in itertools.pairwise(values))
    return total
