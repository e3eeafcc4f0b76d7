"""Random programs of the engine: layers, neurons, states and shapes in combinations that nobody would write.

Each is built from a seed alone. A ``smooth`` one uses exp, log, tanh and sigmoid and nothing that jumps, so that
results of other mathematical libraries are near; the others use what every processor computes alike.
"""

from __future__ import annotations

import math
from typing import Any

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
)
from edgeproof.spike.simplify import is_truth, reshape

__all__ = ["random_program"]

F = np.float32
VECTORS = (1, 2, 3, 7, 10, 16, 17, 24, 31, 48, 64, 70, 130)
IMAGES = ((1, 5, 5), (2, 6, 6), (3, 7, 5), (4, 1, 12), (6, 4, 4), (8, 5, 3), (16, 3, 3), (17, 2, 3), (2, 1, 20))
EXACT_UNARY = ("neg", "abs", "sqrt", "relu", "floor", "sign", "cast", "not")
EXACT_BINARY = ("add", "sub", "mul", "div", "maximum", "minimum", "gt", "ge", "lt", "le", "eq", "ne", "and", "or")
MOST = 800
"""Elements of a value."""


def random_program(seed: int, *, smooth: bool = False) -> tuple[Program, dict[str, Array]]:
    """A program and inputs for one call."""
    return _Maker(seed, smooth).make()


class _Maker:
    def __init__(self, seed: int, smooth: bool) -> None:
        self.rng = np.random.default_rng((seed, int(smooth)))
        self.smooth = smooth
        self.inputs: list[Input] = []
        self.states: list[State] = []
        self.values: list[Node] = []

    def pick(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def make(self) -> tuple[Program, dict[str, Array]]:
        for i in range(int(self.rng.integers(1, 4))):
            self.inputs.append(Input(f"x{i}", self.shape()))
        self.values += self.inputs
        for _ in range(int(self.rng.integers(0, 4))):
            self.state(self.shape())
        makers = [
            self.linear,
            self.convolution,
            self.convolution,
            self.pool,
            self.reshaped,
            self.unary,
            self.binary,
            self.neuron,
        ]
        makers += [self.binary, self.neuron] if self.smooth else [self.chosen, self.spikes, self.spikes]
        for _ in range(int(self.rng.integers(4, 18))):
            self.values.append(self.pick(makers)())
        after = tuple((state, self.next_of(state)) for state in self.states)
        outputs = tuple(
            Output(f"y{i}", self.output(), self.pick(("sum", "mean", "last", "stack")))
            for i in range(int(self.rng.integers(1, 5)))
        )
        timesteps = int(self.pick((1, 2, 3, 5, 8, 13)))
        program = Program(tuple(self.inputs), after, outputs, timesteps, self.chance(0.6))
        return program, {node.name: self.given(node, program) for node in self.inputs}

    # What stands at the edges.

    def shape(self) -> tuple[int, ...]:
        return self.pick(IMAGES) if self.chance(0.5) else (self.pick(VECTORS),)

    def state(self, shape: tuple[int, ...]) -> State:
        kind = self.pick(("zeros", "same", "any"))
        initial = {"zeros": np.zeros(shape), "same": np.full(shape, 0.5), "any": self.rng.standard_normal(shape)}[kind]
        self.states.append(State(f"s{len(self.states)}", initial.astype(F)))
        self.values.append(self.states[-1])
        return self.states[-1]

    def next_of(self, state: State) -> Node:
        """A value of the state's size: computed in the step, another state, an input, or itself."""
        fits = [
            value
            for value in self.values
            if value.size == state.size and (value not in self.states or self.chance(0.3))
        ]
        if not fits or self.chance(0.1):
            fits = [self.sized(self.pick(self.values), state.size)]
        found = self.pick(fits[-3:])
        if self.chance(0.1):
            found = Constant(self.rng.standard_normal(state.size).astype(F))
        elif found not in self.states and not is_truth(found):
            found = self.bounded(found)
        return reshape(found, state.shape)

    def output(self) -> Node:
        if self.chance(0.05):
            return Constant(np.array([1.0, 2.0, 3.0], F))
        return self.pick(self.values[-4:]) if self.chance(0.7) else self.pick(self.values)

    def given(self, node: Input, program: Program) -> Array:
        shape = (program.timesteps, *node.shape) if program.sequence else node.shape
        values = self.rng.standard_normal(shape)
        if self.chance(0.6):
            values = (self.rng.random(shape) < self.pick((0.05, 0.3, 0.8))) * self.pick((1.0, 1.0, values))
        if not self.smooth and self.chance(0.12):
            values = np.where(self.rng.random(shape) < 0.03, self.pick((np.nan, np.inf, -np.inf, -0.0)), values)
        return values.astype(F)

    # Shapes that fit.

    def sized(self, x: Node, size: int) -> Node:
        """A value of that size computed from another."""
        flat = reshape(x, (x.size,))
        return flat if x.size == size else Linear(flat, self.weights((size, x.size)), self.weights((size,)))

    def as_image(self, x: Node) -> Node:
        if len(x.shape) == 3 and self.chance(0.7):
            return x
        channels = self.pick([count for count in range(1, x.size + 1) if x.size % count == 0])
        rows = self.pick([count for count in range(1, x.size // channels + 1) if x.size // channels % count == 0])
        return reshape(x, (channels, rows, x.size // channels // rows))

    def weights(self, shape: tuple[int, ...]) -> Array:
        fan = max(1, math.prod(shape[1:]))
        values = self.rng.standard_normal(shape) * 1.5 / math.sqrt(fan)
        if self.chance(0.3):
            values = np.where(self.rng.random(shape) < 0.3, self.pick((0.0, -0.0)), values)
        return values.astype(F)

    # Layers.

    def before_layer(self) -> Node:
        """A value, or spikes of one."""
        return self.spikes() if not self.smooth and self.chance(0.4) else self.pick(self.values)

    def linear(self) -> Node:
        return self.sized(self.before_layer(), self.pick(VECTORS))

    def convolution(self) -> Node:
        x = self.as_image(self.before_layer())
        channels, *image = x.shape
        groups = self.pick([count for count in (1, 1, 2, 3, 4, channels, channels) if channels % count == 0])
        share = 1 if groups == channels and self.chance(0.5) else self.pick((1, 2, 3, 5, 9, 16, 20, 24, 33, 70))
        kernel = [self.pick((1, 2, 3, 5)) for _ in image]
        padding = [self.pick((0, 0, 1, 2)) for _ in image]
        dilation = [self.pick((1, 1, 1, 2)) for _ in image]
        stride = [self.pick((1, 1, 1, 2, 3)) for _ in image]
        for i, size in enumerate(image):
            if dilation[i] * (kernel[i] - 1) + 1 > size + 2 * padding[i]:
                kernel[i], dilation[i] = 1, 1
        weight = self.weights((groups * share, channels // groups, *kernel))
        bias = self.weights((groups * share,))
        found = Convolution(x, weight, bias, tuple(stride), tuple(padding), tuple(dilation), groups)
        return found if found.size <= MOST else self.linear()

    def pool(self) -> Node:
        x = self.as_image(self.before_layer())
        kernel = [min(self.pick((1, 2, 2, 3, 4)), size) for size in x.shape[1:]]
        padding = [self.pick((0, 0, taps // 2)) for taps in kernel]
        stride = [self.pick((1, 2, 2, 3)) for _ in kernel]
        kind, scale = self.pick((("max", 1.0), ("sum", 1.0), ("sum", 1 / math.prod(kernel))))
        if kind == "max" and self.smooth:
            kind = "sum"
        return Pool(x, kind, tuple(kernel), tuple(stride), tuple(padding), scale)

    def reshaped(self) -> Node:
        x = self.pick(self.values)
        return reshape(x, (x.size,)) if self.chance(0.3) else self.as_image(x)

    # Neurons and their arithmetic.

    def partner(self, x: Node) -> Node | float:
        """What goes with a value in one operation: a number, parameters, or another value in a shape that fits."""
        same = [value for value in self.values if value.size == x.size]
        small = [value for value in self.values if value.size == 1]
        kind = self.pick(("number", "constant", "same", "same", "same", "small", "channels"))
        if kind == "same":
            return reshape(self.pick(same), x.shape)
        if kind == "small" and small:
            return reshape(self.pick(small), (1,) * max(1, len(x.shape)))
        if kind == "channels" and len(x.shape) == 3:
            fits = [value for value in self.values if value.size == x.shape[0]]
            if fits:
                return reshape(self.pick(fits), (x.shape[0], 1, 1))
        if kind == "constant":
            shape = self.pick((x.shape, x.shape[-1:], (*x.shape[:1], *(1,) * (len(x.shape) - 1))))
            return Constant(self.rng.standard_normal(shape).astype(F))
        return float(F(self.pick((0.0, 1.0, -1.0, 0.5, 0.9, -0.25, 2.0))))

    def bounded(self, x: Node) -> Node:
        if self.smooth:
            return Elementwise("tanh", (x,))
        return Elementwise("minimum", (Elementwise("maximum", (x, -3.0)), 3.0)) if self.chance(0.8) else x

    def unary(self) -> Node:
        x = self.pick(self.values)
        if not self.smooth:
            return Elementwise(self.pick(EXACT_UNARY), (x,))
        op = self.pick(("tanh", "sigmoid", "exp", "log"))
        if op == "exp":
            return Elementwise("exp", (Elementwise("tanh", (x,)),))
        if op == "log":
            return Elementwise("log", (Elementwise("add", (Elementwise("abs", (x,)), 1.5)),))
        return Elementwise(op, (x,))

    def binary(self) -> Node:
        x = self.pick(self.values)
        other = self.partner(x)
        args = (x, other) if self.chance(0.7) else (other, x)
        if self.smooth:
            return self.bounded(Elementwise(self.pick(("add", "sub", "mul")), args))
        return Elementwise(self.pick(EXACT_BINARY), args)

    def chosen(self) -> Node:
        x = self.pick(self.values)
        return Elementwise("where", (self.partner(x), x, self.partner(x)))

    def spikes(self) -> Node:
        x = self.pick(self.values)
        spikes = Elementwise("cast", (Elementwise(self.pick(("gt", "ge")), (x, self.pick((0.0, 0.5, 1.0)))),))
        return Elementwise("mul", (spikes, self.partner(spikes))) if self.chance(0.3) else spikes

    def neuron(self) -> Node:
        """Integrates a value; returns its spikes, or what it has integrated."""
        x = self.pick(self.values)
        shape = x.shape if self.chance(0.7) else (x.size,)
        before = self.state(shape)
        decay = self.partner(before) if self.chance(0.3) else 0.75
        moved = Elementwise("add", (Elementwise("mul", (before, decay)), reshape(x, shape)))
        self.values.append(self.bounded(moved))
        if self.smooth or self.chance(0.3):
            return self.values[-1]
        fired = Elementwise("gt", (moved, 0.5))
        reset = self.pick(
            (
                Elementwise("where", (fired, 0.0, moved)),
                Elementwise("sub", (moved, Elementwise("cast", (fired,)))),
                Elementwise("mul", (moved, Elementwise("sub", (1.0, Elementwise("cast", (fired,)))))),
            )
        )
        self.values.append(self.bounded(reset))
        return Elementwise("cast", (fired,))
