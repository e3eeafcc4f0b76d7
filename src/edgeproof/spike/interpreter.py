"""What a program computes, in plain numpy: every C variant is held against this, bit for bit where it uses no libm.

Sums start from the bias and take their terms in ascending order, each product rounded before it is added. A bias of
-0.0 counts as 0.0, so that no sum is ever -0.0 and terms of zero change nothing, whether they are added or left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgeproof.spike.program import (
    LOGIC,
    Array,
    Constant,
    Convolution,
    Elementwise,
    Input,
    Linear,
    Node,
    Pool,
    Program,
    Reshape,
    State,
    walk,
)
from edgeproof.spike.taps import taps

__all__ = ["OPERATIONS", "Trace", "apply", "interpret", "read_out"]

F = np.float32
ZERO = F(0)
AT_ONCE = 256
"""Terms of a sum that are computed together."""
Trace = dict[Node, list[Array]]


def interpret(
    program: Program,
    inputs: Mapping[str, Array],
    *,
    states: dict[str, Array] | None = None,
    trace: Trace | None = None,
) -> dict[str, Array]:
    """One call of ``timesteps`` steps.

    Args:
        program: what to run.
        inputs: float32, of the program's shapes; with the time axis first where it has a sequence.
        states: carried on from the call before and replaced by the new ones; None: the initial ones.
        trace: nodes whose values are wanted; each step's is appended.

    Returns:
        the outputs, read out over the steps; ``stack`` has the time axis first.
    """
    order = list(walk(program.roots()))
    carried = {state.name: state.initial.astype(F) for state, _ in program.states}
    carried.update(states or {})
    held: dict[str, list[Array]] = {output.name: [] for output in program.outputs}
    with np.errstate(all="ignore"):
        for step in range(program.timesteps):
            values: dict[Node, Array] = {}
            for node in order:
                if isinstance(node, Input):
                    given = inputs[node.name]
                    values[node] = np.asarray(given[step] if program.sequence else given, F).reshape(node.shape)
                elif isinstance(node, State):
                    values[node] = carried[node.name]
                else:
                    values[node] = _value(node, values)
                if trace is not None and node in trace:
                    trace[node].append(values[node])
            carried = {state.name: values[after].astype(F) for state, after in program.states}
            for output in program.outputs:
                held[output.name].append(values[output.node].astype(F))
        results = {output.name: read_out(held[output.name], output.readout) for output in program.outputs}
    if states is not None:
        states.update(carried)
    return results


def read_out(steps: list[Array], readout: str) -> Array:
    """An output of a call from its values at every step; sums begin with the first step."""
    if readout == "stack":
        return np.stack(steps)
    if readout == "last":
        return steps[-1]
    total = ZERO + steps[0]
    for step in steps[1:]:
        total = total + step
    return total / F(len(steps)) if readout == "mean" else total


def _value(node: Node, values: Mapping[Node, Array]) -> Array:
    if isinstance(node, Constant):
        return node.value if node.value.dtype == np.bool_ else node.value.astype(F)
    if isinstance(node, Linear):
        return _linear(values[node.x].astype(F), node)
    if isinstance(node, Convolution):
        return _convolution(values[node.x].astype(F), node)
    if isinstance(node, Pool):
        return _pool(values[node.x].astype(F), node)
    if isinstance(node, Reshape):
        return values[node.x].reshape(node.shape)
    if isinstance(node, Elementwise):
        args = [values[argument] if isinstance(argument, Node) else np.asarray(argument, F) for argument in node.args]
        return np.broadcast_to(apply(node.op, args), node.shape)
    raise TypeError(f"no value for {node}")


def apply(op: str, args: Sequence[Array]) -> Array:
    """One elementwise operation, on float32 and truth values."""
    if op not in LOGIC:
        first = 1 if op == "where" else 0
        args = [*args[:first], *(np.asarray(argument, F) for argument in args[first:])]
    return np.asarray(OPERATIONS[op](*args))


def _linear(x: Array, node: Linear) -> Array:
    weight, seen = np.asarray(node.weight, F), np.flatnonzero(x)
    total: Array = node.bias.astype(F) + ZERO
    for first in range(0, len(seen), AT_ONCE):
        some = seen[first : first + AT_ONCE]
        terms = np.vstack((total, (weight[:, some] * x[some]).T))
        total = np.add.accumulate(terms, axis=0)[-1]
    return total


def _convolution(x: Array, node: Convolution) -> Array:
    weight = node.weight.astype(F).reshape(node.groups, -1, *node.weight.shape[1:])
    bias = node.bias.astype(F).reshape(node.groups, -1, 1, 1) + ZERO
    total = np.broadcast_to(bias, (*bias.shape[:2], *node.shape[1:])).copy()
    for ky, kx, seen in taps(node, x):
        for c in range(weight.shape[2]):
            total += weight[:, :, c, ky, kx, None, None] * seen[:, None, c]
    return total.reshape(node.shape)


def _pool(x: Array, node: Pool) -> Array:
    nothing = F(-np.inf) if node.kind == "max" else ZERO
    total = np.full(node.shape, nothing)
    for _, _, seen in taps(node, x, float(nothing)):
        total = _larger(seen, total) if node.kind == "max" else total + seen
    return total if node.kind == "max" else total * F(node.scale)


def _larger(a: Array, b: Array) -> Array:
    return np.where((a > b) | (a != a), a, b)


def _smaller(a: Array, b: Array) -> Array:
    return np.where((a < b) | (a != a), a, b)


def _sigmoid(x: Array) -> Array:
    unity = F(1)
    return unity / (unity + np.exp(-x))


OPERATIONS: Mapping[str, Callable[..., Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maximum": _larger,
    "minimum": _smaller,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "where": np.where,
    "neg": np.negative,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "relu": lambda x: np.where(x < 0, ZERO, x),
    "floor": np.floor,
    "sign": lambda x: (x > 0).astype(F) - (x < 0).astype(F),
    "cast": lambda x: x.astype(F),
}
