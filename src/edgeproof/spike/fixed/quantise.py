"""A program brought to whole numbers: units from what samples reach, int8 weights with a scale for each output.

Values that are added to or compared with one another share a unit, so that neurons need no conversions. It leaves a
factor of at least 2^``HEADROOM`` above the largest value that the samples reach.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgeproof.errors import ConversionError
from edgeproof.spike.fixed.arithmetic import compute, whole
from edgeproof.spike.fixed.program import LIMIT, MOST, Fixed, FixedLayer, FixedPool
from edgeproof.spike.fixed.words import Word, Words
from edgeproof.spike.interpreter import Trace, interpret
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
    State,
    storage,
    walk,
)
from edgeproof.spike.simplify import binary_among, is_truth

__all__ = ["quantise"]

HEADROOM = 3
LIMIT_BITS = 28
FINEST = 20
"""Bits of the finest unit, about a millionth."""
INPUT_BITS = 15
"""Bits, without the sign, that a layer's input keeps at most."""
WEIGHT = 127
SUM_BITS = 30
FACTOR_BITS = 30
LONGEST_SHIFT = 62
LEVELLED = frozenset(("add", "sub", "mul", "div", "maximum", "minimum", "where", "neg", "abs", "relu", "floor"))


def quantise(program: Program, samples: Sequence[Mapping[str, Array]]) -> Fixed:
    """Choose units and round weights.

    Args:
        program: in float32.
        samples: inputs of one call each, as ``interpret`` takes them; what they reach sets the units.

    Raises:
        ConversionError: operations or numbers that whole numbers do not take; no samples.
    """
    if not samples:
        raise ConversionError("int8 is calibrated with samples, and there are none", hint="give --samples")
    order = [
        *dict.fromkeys((*map(storage, walk(program.roots())), *program.inputs, *(state for state, _ in program.states)))
    ]
    reached, activity = _reached(program, order, samples)
    binary = frozenset(map(storage, binary_among(program.roots())))
    bits = dict.fromkeys(order, 0)
    for members in _classes(program, order, binary):
        unit = _unit(max(reached[member] for member in members))
        bits.update(dict.fromkeys(members, unit))
    for node in order:
        if isinstance(node, Constant) and node not in binary:
            bits[node] = _unit(float(np.abs(node.value.astype(np.float64)).max()))
    layers: dict[Node, FixedLayer] = {
        node: _layer(node, bits, reached, binary) for node in order if isinstance(node, (Linear, Convolution))
    }
    pools: dict[Node, FixedPool] = {
        node: _pool(node, bits[storage(node.x)] - bits[node])
        for node in order
        if isinstance(node, Pool) and node.kind == "sum"
    }
    busy: dict[Node, float] = {
        node: activity[storage(node.x)] for node in order if isinstance(node, (Linear, Convolution))
    }
    fixed = Fixed(program, bits, {}, binary, layers, pools, busy)
    return replace(fixed, bounds=_bounds(fixed, order))


def _reached(
    program: Program, order: Sequence[Node], samples: Sequence[Mapping[str, Array]]
) -> tuple[dict[Node, float], dict[Node, float]]:
    """The largest magnitude of each value, and the share of its numbers that are not zero."""
    found = dict.fromkeys(order, 0.0)
    busy: dict[Node, list[float]] = {node: [] for node in order}
    for state, _ in program.states:
        found[state] = float(np.abs(state.initial).max())
    for sample in samples:
        trace: Trace = {node: [] for node in order if not isinstance(node, Constant)}
        interpret(program, sample, trace=trace)
        for node, values in trace.items():
            for value in values:
                found[node] = max(found[node], float(np.abs(value.astype(np.float32)).max()))
                busy[node].append(np.count_nonzero(value) / value.size)
        for given in program.inputs:
            found[given] = max(found[given], float(np.abs(sample[given.name]).max()))
    for node, largest in found.items():
        if not math.isfinite(largest):
            raise ConversionError(
                f"a value of the shape {list(node.shape)} is not finite on the samples; whole numbers hold no infinity",
                hint="ship the network in fp32",
            )
    return found, {node: float(np.mean(shares)) if shares else 1.0 for node, shares in busy.items()}


def _classes(program: Program, order: Sequence[Node], binary: frozenset[Node]) -> Iterator[list[Node]]:
    """Values that share a unit; spikes and truths, whose unit is one, are in none."""
    above: dict[Node, Node] = {}

    def top(node: Node) -> Node:
        while node in above:
            node = above[node]
        return node

    def counts(node: Node) -> bool:
        return not isinstance(node, Constant) and node not in binary and not is_truth(node)

    def join(a: Node, b: Node) -> None:
        if counts(a) and counts(b) and top(a) is not top(b):
            above[top(a)] = top(b)

    for node in order:
        levelled = isinstance(node, Elementwise) and node.op in LEVELLED
        if levelled or (isinstance(node, Pool) and node.kind == "max"):
            for source in node.sources:
                join(node, storage(source))
    for state, after in program.states:
        join(state, storage(after))
    members: dict[Node, list[Node]] = {}
    for node in order:
        if counts(node):
            members.setdefault(top(node), []).append(node)
    return iter(members.values())


def _unit(largest: float) -> int:
    return min(FINEST, LIMIT_BITS - HEADROOM - math.frexp(largest)[1]) if largest else FINEST


def _layer(
    node: Linear | Convolution, bits: Mapping[Node, int], reached: Mapping[Node, float], binary: frozenset[Node]
) -> FixedLayer:
    weight = np.asarray(node.weight, np.float64)
    if not (np.isfinite(weight).all() and np.isfinite(node.bias).all()):
        raise ConversionError(
            "the network has NaN or infinity among its weights", hint="train it again, or repair them"
        )
    rows = weight.reshape(len(weight), -1)
    x = storage(node.x)
    narrow, most = 0, 1
    if x not in binary:
        room = min(INPUT_BITS, SUM_BITS - 7 - math.ceil(math.log2(rows.shape[1])))
        if room < 1:
            raise ConversionError(f"a layer of {rows.shape[1]:,} inputs does not fit in sums of 32 bits")
        most = (1 << room) - 1
        narrow = max(0, math.frexp(reached[x] * 2.0 ** bits[x])[1] - room)
    scale = np.abs(rows).max(axis=1) / WEIGHT
    rounded = np.rint(rows / np.where(scale, scale, 1.0)[:, None]).astype(np.int8)
    factor, shift = _factors(scale * 2.0 ** (bits[storage(node)] - bits[x] + narrow))
    bias = np.clip(whole(node.bias, bits[storage(node)]), -LIMIT, LIMIT).astype(np.int32)
    return FixedLayer(rounded.reshape(weight.shape), bias, factor, shift, narrow, most)


def _factors(ratios: Array) -> tuple[Array, int]:
    """Each ratio as ``factor · 2^-shift``, the largest factor of 30 bits: what others lose is below their unit."""
    shift = FACTOR_BITS - math.frexp(float(ratios.max()))[1]
    if shift < 1:
        raise ConversionError("weights of this network are too large for whole numbers", hint="ship it in fp32")
    kept = min(shift, LONGEST_SHIFT)
    return np.rint(np.ldexp(ratios, kept)).astype(np.int32), kept


def _pool(node: Pool, coarser: int) -> FixedPool:
    """The factor of a sum, so short that no product overflows 64 bits."""
    ratio = abs(node.scale) * 2.0**-coarser
    free = 62 - 32 - math.ceil(math.log2(math.prod(node.kernel)))
    shift = min(62, free - math.frexp(ratio)[1])
    if shift < 1:
        raise ConversionError("a pooling of this network is too large for whole numbers", hint="ship it in fp32")
    factor = round(math.ldexp(ratio, shift))
    return FixedPool(factor if node.scale > 0 else -factor, shift)


def _bounds(fixed: Fixed, order: Sequence[Node]) -> dict[Node, int]:
    """How large integers can get, which the operations themselves tell."""
    found: dict[Node, int] = {}
    known = replace(fixed, bounds=found)
    words = Words(lambda *_: "table")

    def value(node: Node) -> Word:
        return Word("value", found[storage(node)])

    for node in order:
        if isinstance(node, Elementwise):
            found[node] = min(compute(node, value, words, known).bound, MOST)
        elif isinstance(node, (Linear, Convolution)):
            found[node] = min(LIMIT, fixed.reach_of(node, fixed.sums_of(node)))
        else:
            found[node] = LIMIT if not fixed.is_spikes(node) else 1
    for node in order:
        if isinstance(node, (Input, State)):
            found[node] = LIMIT
    return found
