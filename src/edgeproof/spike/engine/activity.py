"""How busy the input of a layer is, and what follows: lists of what is not zero, or all of it.

All ways give the same bits; they differ in speed alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgeproof.spike.engine.conv_dense import can_be_dense, is_depthwise
from edgeproof.spike.engine.conv_events import can_be_windows
from edgeproof.spike.engine.layers import Method
from edgeproof.spike.interpreter import Trace, interpret
from edgeproof.spike.program import Array, Convolution, Elementwise, Input, Linear, Node, Pool, Program, Reshape, walk

__all__ = ["measure_activity", "methods"]

QUIET = 0.1
"""The share of inputs that is expected not to be zero where there are spikes and nothing was measured."""
DENSE_ABOVE: Mapping[str, float] = {"sums": 0.6, "events": 0.25, "depthwise": 0.05}
"""The share above which taking all inputs is quicker: than sums of listed inputs in registers (linear layers, and
convolutions by windows), than events that add to outputs in memory, and where every channel sees itself alone. Measured
with vectors of 8 and 16 floats over several time steps; with 4 floats all of it pays later, from 0.9 and 0.5 on."""
RUN = 2.0
"""Events in a row of a window from which on outputs better sum them up than that events add to outputs."""
SUMMED = 16
"""As many outputs, or fewer, are better added to."""


def measure_activity(program: Program, samples: Sequence[Mapping[str, Array]]) -> dict[Node, float]:
    """Run samples and count.

    Args:
        program: what is run.
        samples: inputs of one call each, as ``interpret`` takes them.

    Returns:
        for each linear layer and convolution the share of its inputs that are not zero, over samples, steps and
        inputs; nothing if there are no samples.
    """
    layers = [node for node in walk(program.roots()) if isinstance(node, (Linear, Convolution))]
    seen: dict[Node, list[float]] = {layer.x: [] for layer in layers}
    for sample in samples:
        trace: Trace = {x: [] for x in seen}
        interpret(program, sample, trace=trace)
        for x, values in trace.items():
            seen[x] += [np.count_nonzero(value) / value.size for value in values]
    return {layer: float(np.mean(seen[layer.x])) for layer in layers if seen[layer.x]}


def methods(program: Program, activity: Mapping[Node, float], binary: frozenset[Node]) -> dict[Node, Method]:
    """How each linear layer and convolution takes its input.

    Args:
        program: whose layers they are.
        activity: of layers that were measured.
        binary: values that are spikes.
    """
    quiet = _quiet(program, binary)
    return {
        node: _linear(share) if isinstance(node, Linear) else _convolution(node, share)
        for node in walk(program.roots())
        if isinstance(node, (Linear, Convolution))
        for share in [activity.get(node, QUIET if node.x in quiet else 1.0)]
    }


def _linear(share: float) -> Method:
    return "dense" if share > DENSE_ABOVE["sums"] else "events"


def _convolution(node: Convolution, share: float) -> Method:
    if is_depthwise(node):
        return "dense" if share > DENSE_ABOVE["depthwise"] else "events"
    in_a_row = share * node.weight.shape[3] * node.x.shape[0]
    summed = can_be_windows(node) and in_a_row >= RUN and node.shape[0] > SUMMED
    if can_be_dense(node) and share > DENSE_ABOVE["sums" if summed else "events"]:
        return "dense"
    return "windows" if summed else "events"


def _quiet(program: Program, binary: frozenset[Node]) -> set[Node]:
    """Values that may be expected to be zero mostly: inputs, spikes, and what is zero where one of these is."""
    quiet: set[Node] = set()
    for node in walk(program.roots()):
        passes = isinstance(node, (Pool, Reshape)) or (isinstance(node, Elementwise) and node.op == "mul")
        if node in binary or isinstance(node, Input) or (passes and any(source in quiet for source in node.sources)):
            quiet.add(node)
    return quiet
