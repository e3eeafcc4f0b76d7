"""Networks as the engine is quickest with them: convolutions of spikes, many steps, few outputs. From a seed alone."""

from __future__ import annotations

import numpy as np

from edgeproof.spike.program import (
    Array,
    Constant,
    Convolution,
    Elementwise,
    Input,
    Linear,
    Node,
    Output,
    Pool,
    Program,
    State,
    walk,
)
from edgeproof.spike.simplify import reshape

__all__ = ["Network", "spiking_network"]

F = np.float32
Network = tuple[Program, dict[str, Array], dict[Node, float]]
"""A program, inputs of one call, and an activity that makes its layers go by events."""


def spiking_network(seed: int) -> Network:
    """Neurons of several kinds behind convolutions, a pooling and linear layers; inputs are silent mostly."""
    return _Maker(seed).make()


class _Maker:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng((7, seed))
        self.seed = seed
        self.states: list[tuple[State, Node]] = []

    def pick(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def weights(self, *shape: int) -> Array:
        values = self.rng.normal(0, 2 / np.sqrt(np.prod(shape[1:]) or 1), shape)
        return np.where(self.rng.random(shape) < 0.1, -0.0, values).astype(F)

    def neurons(self, x: Node) -> Node:
        """Leaky ones, reset by subtraction or to zero, with one threshold or one each; spikes."""
        before = State(f"s{len(self.states)}", self.rng.normal(0, 0.2, x.shape).astype(F))
        moved = Elementwise("add", (Elementwise("mul", (before, 0.9)), x))
        limit = self.pick(0.5, 0.25, Constant(self.rng.uniform(0.1, 0.9, x.shape).astype(F)))
        how = self.pick("over", "above", "difference", "sum")
        if isinstance(limit, Constant) or how == "over":
            fired = Elementwise(self.pick("gt", "ge"), (moved, limit))
        elif how == "above":
            fired = Elementwise("lt", (Elementwise("neg", (moved,)), -limit))
        else:
            apart = Elementwise("sub", (moved, limit)) if how == "difference" else Elementwise("add", (moved, -limit))
            fired = Elementwise(self.pick("gt", "ge"), (apart, 0.0))
        left = self.pick(
            Elementwise("sub", (moved, Elementwise("mul", (Elementwise("cast", (fired,)), limit)))),
            Elementwise("where", (fired, 0.0, moved)),
            Elementwise("maximum", (Elementwise("sub", (moved, Elementwise("cast", (fired,)))), -1.0)),
        )
        self.states.append((before, left))
        return Elementwise("cast", (fired,))

    def convolution(self, x: Node, outputs: int) -> Node:
        channels, height, width = x.shape
        kernel = [min(self.pick(2, 3, 5), size) for size in (height, width)]
        padding = [self.pick(0, 0, taps // 2, taps) for taps in kernel]
        stride = (self.pick(1, 1, 1, 2), self.pick(1, 1, 1, 2))
        dilation = (2 if kernel[0] * 2 - 1 <= height and self.rng.random() < 0.2 else 1, 1)
        weight = self.weights(outputs, channels, *kernel)
        return Convolution(x, weight, self.weights(outputs, 1)[:, 0], stride, tuple(padding), dilation)

    def make(self) -> Network:
        image = self.pick((2, 9, 11), (6, 7, 5), (12, 6, 6), (17, 4, 7), (5, 3, 2))
        x = Input("x", image if self.seed % 4 else (int(np.prod(image)),))
        graded = self.seed % 5 == 0
        first = reshape(x, image)
        node = self.convolution(first, self.pick(4, 12, 20, 33, 70) if not graded else self.pick(20, 33, 70))
        if self.rng.random() < 0.6 and min(node.shape[1:]) >= 2:
            node = Pool(node, "max", (2, 2), self.pick((2, 2), (1, 1)))
        node = self.neurons(node)
        node = self.neurons(self.convolution(node, self.pick(18, 32, 70, 100)))
        trains = []
        for count in (self.pick(16, 40, 96, 130), self.pick(1, 3, 7, 10, 12)):
            flat = reshape(node, (node.size,))
            node = self.neurons(Linear(flat, self.weights(count, flat.size), self.weights(count, 1)[:, 0]))
            trains.append(node)
        steps = self.pick(9, 13, 25, 33)
        outputs = [Output("spikes", node, "sum"), Output("state", self.states[-1][1], "last")]
        if self.seed % 3 == 1:
            outputs.append(Output("hidden", trains[0], "mean"))
        program = Program((x,), tuple(self.states), tuple(outputs), steps, True)
        given = self.rng.random((steps, *x.shape)) < self.pick(0.02, 0.1, 0.3)
        values = given * (self.rng.normal(size=given.shape) if graded or self.seed % 3 == 0 else 1.0)
        if self.seed % 6 == 0:
            strange = self.pick(np.inf, -np.inf, np.nan, -0.0)
            values = np.where(given & (self.rng.random(given.shape) < 0.05), strange, values)
        busy = {layer: 0.15 for layer in walk(program.roots()) if isinstance(layer, (Linear, Convolution))}
        return program, {"x": values.astype(F)}, busy
