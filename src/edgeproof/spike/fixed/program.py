"""A program in whole numbers: what a number of each value is worth, and layers with int8 weights.

A value is ``integer · 2^-bits``, int32, or 0 and 1 for spikes and truth values. A layer sums int8 weights in int32,
brings the sum to its result's unit by a multiplication and a shift of its own for each output, and adds its bias there.
Inputs, states and layers' results are held to ±``LIMIT``, so that a few of them add up without an overflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeproof.spike.program import Array, Convolution, Linear, Node, Program, storage

__all__ = ["LIMIT", "MOST", "Fixed", "FixedLayer", "FixedPool"]

LIMIT = 1 << 28
"""What inputs, states and layers' results are held to."""
MOST = (1 << 31) - 1
"""What any other value is held to; -2^31 does not occur."""


@dataclass(frozen=True, eq=False)
class FixedLayer:
    """A linear layer or convolution: ``y[o] = bias[o] + round(factor[o] · Σ weight · x / 2^shift)``.

    Attributes:
        weight: int8, ±127, in the node's shape.
        bias: int32 [outputs], in the result's unit.
        factor: int32 [outputs].
        shift: 1 to 62, the same for all outputs: their results share a unit.
        narrow: bits by which the input is shifted to the right before it is multiplied.
        most: what it is held to then, so that no sum overflows.
    """

    weight: Array
    bias: Array
    factor: Array
    shift: int
    narrow: int
    most: int


@dataclass(frozen=True, eq=False)
class FixedPool:
    """A sum over a window: ``y = round(factor · Σ x / 2^shift)``."""

    factor: int
    shift: int


@dataclass(frozen=True, eq=False)
class Fixed:
    """What ``fixed.emit`` writes down and ``fixed.interpreter`` computes.

    Attributes:
        program: what is computed, in float32.
        bits: of each value that is stored or computed: its unit is ``2^-bits``.
        bounds: the largest magnitude an integer of each value can have.
        binary: values that are 0 or 1.
        layers: of linear layers and convolutions.
        pools: of pooling by sums.
        activity: of each layer, the share of its inputs that are not zero on the samples; nothing depends on it but
            speed.
    """

    program: Program
    bits: Mapping[Node, int]
    bounds: Mapping[Node, int]
    binary: frozenset[Node]
    layers: Mapping[Node, FixedLayer]
    pools: Mapping[Node, FixedPool]
    activity: Mapping[Node, float]

    def bits_of(self, node: Node) -> int:
        """Of a value, however it is reshaped."""
        return self.bits[storage(node)]

    def bound_of(self, node: Node) -> int:
        """Of a value, however it is reshaped."""
        return self.bounds[storage(node)]

    def is_spikes(self, node: Node) -> bool:
        """Whether a value is 0 or 1."""
        return storage(node) in self.binary

    def sums_of(self, node: Linear | Convolution) -> Array:
        """The largest magnitude that the sum of each output can have, int64 [outputs]."""
        layer = self.layers[node]
        weights = np.abs(layer.weight.astype(np.int64)).reshape(len(layer.weight), -1).sum(axis=1)
        return np.asarray(weights * (1 if self.is_spikes(node.x) else layer.most))

    def reach_of(self, node: Linear | Convolution, sums: Array) -> int:
        """The largest magnitude of a result of sums that are no larger than these, before it is held to ``LIMIT``."""
        layer = self.layers[node]
        half = 1 << (layer.shift - 1)
        scaled = (sums * layer.factor.astype(np.int64) + half) >> layer.shift
        return int((scaled + np.abs(layer.bias.astype(np.int64))).max())
