"""A network as the engine's program: its nodes as layers, its neurons as the arithmetic of their own steps.

The step that the reference runs is called once, on symbols, so the program computes what the reference does, sums in
the same order. ``from_torch`` is the other way to a program, from a module of PyTorch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeproof.errors import ConversionError
from edgeproof.spike import program as p
from edgeproof.spike.graph.network import Network
from edgeproof.spike.graph.prepared import Prepared, map_numbers, prepare, step
from edgeproof.spike.graph.primitives import (
    Affine,
    Array,
    Conv1d,
    Conv2d,
    Flatten,
    Input,
    Linear,
    MaxPool2d,
    Output,
    Pair,
    Pool,
    Scale,
    Shape,
    SumPool2d,
    Threshold,
)
from edgeproof.spike.graph.reference import first_state
from edgeproof.spike.graph.shapes import padding_pairs
from edgeproof.spike.neurons.firing import fires
from edgeproof.spike.simplify import reshape
from edgeproof.spike.symbols import Symbol, SymbolicOps, spread

__all__ = ["EvenConvolution", "even_convolution", "lower"]

F = np.float32
_PLAIN = re.compile(r"[\w./ -]{1,200}")


def lower(
    network: Network,
    timesteps: int,
    readouts: p.Readout | Mapping[str, p.Readout] = "stack",
    *,
    sequence: bool | None = None,
) -> p.Program:
    """A network as a program. The time axis of its inputs comes first, whatever the semantics say of the caller's.

    Args:
        network: is checked first; its Inputs and Outputs become the program's, by name.
        timesteps: of one call.
        readouts: how an Output is read out over the steps; one for all, or one each by name.
        sequence: whether inputs have a value per time step; None: they have, unless their coding is ``constant``.

    Raises:
        SpikeGraphError: the network cannot run.
        ConversionError: delays that hold back more than ``MAX_HELD`` values; a name that cannot stand in C.
    """
    prepared = prepare(network)
    structure = prepared.structure
    given = {name: p.Input(_plain(name), structure.shapes[name]) for name in structure.named(Input)}
    first = first_state(prepared)
    held = sum(map(len, first.delayed.values()))
    if held > p.MAX_HELD:
        raise ConversionError(
            f"the delays hold back {held} values together; the engine moves up to {p.MAX_HELD}",
            hint="choose a longer time step, so that a delay has fewer of them",
        )
    carried = [p.State(name, np.array(value, F)) for name, value in first.leaves()]
    before = first.filled(map(Symbol, carried))
    backend = _Backend(prepared)
    values, after = step(prepared, backend, {name: Symbol(node) for name, node in given.items()}, before)
    outputs = structure.named(Output)
    how = dict.fromkeys(outputs, readouts) if isinstance(readouts, str) else dict(readouts)
    if set(how) != set(outputs):
        raise ConversionError(f"readouts are given for {sorted(how)}; the outputs are {sorted(outputs)}")
    coding = structure.network.semantics.input_coding.kind
    return p.Program(
        inputs=tuple(given.values()),
        states=tuple(
            (state, symbol.node(state.shape)) for state, (_, symbol) in zip(carried, after.leaves(), strict=True)
        ),
        outputs=tuple(p.Output(_plain(name), values[name].node(structure.shapes[name]), how[name]) for name in outputs),
        timesteps=timesteps,
        sequence=coding != "constant" if sequence is None else sequence,
    )


@dataclass(frozen=True)
class EvenConvolution:
    """A convolution in two dimensions that pads as much before as after, with the same sums in the same order.

    ``weight``: [outputs, channels / groups, rows, columns], float32; a convolution in one dimension has one row.
    """

    weight: Array
    bias: Array
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int


def even_convolution(node: Conv1d | Conv2d, name: str) -> EvenConvolution:
    """Where ``same`` pads one more after than before, taps of zero stand in front: they change no sum.

    Raises:
        SpikeGraphError: ``same`` with a stride.
    """
    weight, pads = np.asarray(node.weight, F), padding_pairs(node, name)
    stride, dilation = (steps if isinstance(steps, tuple) else (1, steps) for steps in (node.stride, node.dilation))
    if isinstance(node, Conv1d):
        weight, pads = weight[:, :, None], ((0, 0), *pads)
    spreads = list(dilation)
    for axis, (first, last) in enumerate(pads, 2):
        if first != last:
            taps = (weight.shape[axis] - 1) * dilation[axis - 2] + 1 + (last - first)
            wide = np.zeros((*weight.shape[:axis], taps, *weight.shape[axis + 1 :]), F)
            wide[(slice(None),) * axis + (slice(last - first, None, dilation[axis - 2]),)] = weight
            weight, spreads[axis - 2] = wide, 1
    return EvenConvolution(
        weight, np.asarray(node.bias, F), stride, (pads[0][1], pads[1][1]), (spreads[0], spreads[1]), node.groups
    )


class _Backend:
    """A step on symbols."""

    def __init__(self, prepared: Prepared) -> None:
        self.ops = SymbolicOps()
        self._prepared = prepared

    def params(self, name: str) -> Any:
        shape = self._prepared.structure.shapes[name]
        return map_numbers(self._prepared.neurons[name][1], lambda array: spread(array, shape))

    def held_back(self, name: str, steps: int) -> Symbol:
        return Symbol(p.Constant(self._prepared.delays[name] == steps))

    def full(self, value: Any, shape: Shape) -> Symbol:
        symbol = value if isinstance(value, Symbol) else spread(value, shape)
        return Symbol(symbol.node(shape))

    def compute(self, name: str, x: Symbol) -> Symbol:
        structure = self._prepared.structure
        node, shape = structure.nodes[name], structure.shapes[name]
        if isinstance(node, Scale):
            return x * spread(np.asarray(node.scale, F), shape)
        if isinstance(node, Threshold):
            limit = spread(np.asarray(node.threshold, F), shape)
            return self.ops.cast(fires(x, limit, structure.network.semantics.threshold_operator))
        given = x.node(structure.taken[name])
        if isinstance(node, Flatten):
            return Symbol(reshape(given, shape))
        if isinstance(node, Linear | Affine):
            return Symbol(_linear(node, given, shape))
        if isinstance(node, Conv1d | Conv2d):
            return Symbol(_convolution(even_convolution(node, name), given, shape))
        return Symbol(_pool(node, given)) if isinstance(node, Pool) else x


def _linear(node: Linear | Affine, x: p.Node, shape: Shape) -> p.Node:
    """With leading axes it is as many layers side by side: a convolution of one tap in as many groups."""
    weight = np.asarray(node.weight, F)
    bias = np.asarray(node.bias, F) if isinstance(node, Affine) else np.zeros(shape, F)
    if weight.ndim == 2:
        return p.Linear(x, weight, bias)
    *side, outputs, inputs = weight.shape
    groups = int(np.prod(side))
    taps = weight.reshape(groups * outputs, inputs, 1, 1)
    made = p.Convolution(reshape(x, (groups * inputs, 1, 1)), taps, bias.reshape(-1), groups=groups)
    return reshape(made, shape)


def _convolution(node: EvenConvolution, x: p.Node, shape: Shape) -> p.Node:
    image = reshape(x, (x.shape[0], 1, x.shape[1])) if len(x.shape) == 2 else x
    made = p.Convolution(image, node.weight, node.bias, node.stride, node.padding, node.dilation, node.groups)
    return reshape(made, shape)


def _pool(node: Pool, x: p.Node) -> p.Node:
    if isinstance(node, MaxPool2d):
        return p.Pool(x, "max", node.kernel_size, node.stride, node.padding)
    scale = 1.0 if isinstance(node, SumPool2d) else 1.0 / (node.kernel_size[0] * node.kernel_size[1])
    return p.Pool(x, "sum", node.kernel_size, node.stride, node.padding, scale)


def _plain(name: str) -> str:
    if not _PLAIN.fullmatch(name):
        raise ConversionError(
            f"{name[:60]!r} is the name of an input or output; the engine takes letters, digits and _ . - / space",
            hint="rename that node",
        )
    return name
