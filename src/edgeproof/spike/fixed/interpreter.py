"""What a program in whole numbers computes, in numpy: the generated C is held against this, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeproof.spike.fixed.arithmetic import compute
from edgeproof.spike.fixed.program import LIMIT, MOST, Fixed, FixedLayer
from edgeproof.spike.interpreter import OPERATIONS, read_out
from edgeproof.spike.program import (
    Array,
    Constant,
    Convolution,
    Elementwise,
    Input,
    Linear,
    Node,
    Pool,
    Reshape,
    State,
    storage,
    walk,
)
from edgeproof.spike.taps import taps

__all__ = ["interpret_fixed"]

F = np.float32


class Whole:
    """Operations on arrays of int64."""

    def number(self, value: int) -> Array:
        return np.asarray(value, np.int64)

    def table(self, node: Node, values: Array) -> Array:
        return values

    def add(self, a: Array, b: Array) -> Array:
        return np.add(a, b)

    def sub(self, a: Array, b: Array) -> Array:
        return np.subtract(a, b)

    def mul(self, a: Array, b: Array) -> Array:
        return np.multiply(a, b)

    def shift(self, a: Array, right: int) -> Array:
        return shifted(a, right)

    def floor(self, a: Array, right: int) -> Array:
        return a >> right if right >= 0 else a << -right

    def compare(self, op: str, a: Array, b: Array) -> Array:
        return OPERATIONS[op](a, b).astype(np.int64)

    def both(self, a: Array, b: Array) -> Array:
        return a & b

    def either(self, a: Array, b: Array) -> Array:
        return a | b

    def where(self, truth: Array, a: Array, b: Array) -> Array:
        return np.where(truth != 0, a, b)

    def fit(self, a: Array) -> Array:
        return np.clip(a, -MOST, MOST)


WHOLE = Whole()


def interpret_fixed(fixed: Fixed, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """One call of ``timesteps`` steps from the initial states.

    Args:
        fixed: what to run.
        inputs: float32, of the program's shapes; with the time axis first where it has a sequence.

    Returns:
        the outputs in float32, read out over the steps; ``stack`` has the time axis first.

    Raises:
        ConversionError: a division by zero, or by or with numbers that are not finite; ``UnsupportedError``: there is
            no such operation in whole numbers.
    """
    program = fixed.program
    order = list(walk(program.roots()))
    states = {state: _taken(fixed, state, state.initial) for state, _ in program.states}
    held: dict[str, list[Array]] = {output.name: [] for output in program.outputs}
    for step in range(program.timesteps):
        values: dict[Node, Array] = {}
        for node in order:
            if isinstance(node, Input):
                given = np.asarray(inputs[node.name][step] if program.sequence else inputs[node.name], F)
                values[node] = _taken(fixed, node, given.reshape(node.shape))
            elif isinstance(node, State):
                values[node] = states[node]
            elif isinstance(node, Reshape):
                values[node] = values[node.x].reshape(node.shape)
            elif isinstance(node, Constant):
                values[node] = _taken(fixed, node, node.value)
            else:
                values[node] = _value(fixed, node, values)
        states = {state: _moved(fixed, state, values[after], after) for state, after in program.states}
        for output in program.outputs:
            held[output.name].append(_given(fixed, output.node, values[output.node]))
    return {output.name: read_out(held[output.name], output.readout) for output in program.outputs}


def shifted(a: Array, right: int) -> Array:
    """a · 2^-right, rounded to the nearest, halves up."""
    if right <= 0:
        return np.asarray(np.left_shift(a, -right))
    return np.asarray(np.right_shift(a + (1 << (right - 1)), right))


def _taken(fixed: Fixed, node: Node, values: Array) -> Array:
    """Numbers as integers; NaN counts as zero."""
    scaled = np.asarray(values, F) * F(2.0 ** fixed.bits_of(node))
    held = np.clip(np.nan_to_num(scaled, nan=0.0, posinf=LIMIT, neginf=-LIMIT), -LIMIT, LIMIT)
    return np.asarray(np.rint(held), np.int64)


def _given(fixed: Fixed, node: Node, values: Array) -> Array:
    constant = storage(node)
    if isinstance(constant, Constant):
        return constant.value.astype(F).reshape(node.shape)
    return np.multiply(values, F(2.0 ** -fixed.bits_of(node)), dtype=F)


def _moved(fixed: Fixed, state: State, values: Array, after: Node) -> Array:
    return np.clip(shifted(values, fixed.bits_of(after) - fixed.bits_of(state)), -LIMIT, LIMIT)


def _value(fixed: Fixed, node: Node, values: Mapping[Node, Array]) -> Array:
    if isinstance(node, Elementwise):
        found = compute(node, values.__getitem__, WHOLE, fixed)
        return np.broadcast_to(found, node.shape)
    if isinstance(node, Pool):
        return _pool(fixed, node, values[node.x])
    assert isinstance(node, (Linear, Convolution))
    layer = fixed.layers[node]
    x = np.clip(shifted(values[node.x], layer.narrow), -layer.most, layer.most)
    if isinstance(node, Linear):
        return _scaled(layer.weight.astype(np.int64) @ x, layer, (-1,))
    return _scaled(_convolved(node, layer.weight.astype(np.int64), x), layer, (-1, 1, 1))


def _scaled(total: Array, layer: FixedLayer, shape: tuple[int, ...]) -> Array:
    factor, bias = (table.astype(np.int64).reshape(shape) for table in (layer.factor, layer.bias))
    return np.clip(shifted(total * factor, layer.shift) + bias, -LIMIT, LIMIT)


def _convolved(node: Convolution, weight: Array, x: Array) -> Array:
    weight = weight.reshape(node.groups, -1, *weight.shape[1:])
    total = np.zeros((*weight.shape[:2], *node.shape[1:]), np.int64)
    for ky, kx, seen in taps(node, x):
        for c in range(weight.shape[2]):
            total += weight[:, :, c, ky, kx, None, None] * seen[:, None, c]
    return total.reshape(node.shape)


def _pool(fixed: Fixed, node: Pool, x: Array) -> Array:
    nothing = -MOST if node.kind == "max" else 0
    total = np.full(node.shape, nothing, np.int64)
    for _, _, seen in taps(node, x, nothing):
        total = np.maximum(total, seen) if node.kind == "max" else total + seen
    if node.kind == "max":
        return np.clip(shifted(total, fixed.bits_of(node.x) - fixed.bits_of(node)), -LIMIT, LIMIT)
    scale = fixed.pools[node]
    return np.clip((total * scale.factor + (1 << (scale.shift - 1))) >> scale.shift, -LIMIT, LIMIT)
