"""What a program computes, in plain numpy: every C variant is held against this, bit for bit where it uses no libm.

Sums start from the bias and take their terms in ascending order, each product rounded before it is added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

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
    Reshape,
    State,
    walk,
)

__all__ = ["Trace", "interpret"]

F = np.float32
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
    held: dict[str, list[Array]] = {one.name: [] for one in program.outputs}
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
            for one in program.outputs:
                held[one.name].append(values[one.node].astype(F))
    if states is not None:
        states.update(carried)
    return {one.name: _read_out(held[one.name], one.readout) for one in program.outputs}


def _read_out(steps: list[Array], readout: str) -> Array:
    if readout == "stack":
        return np.stack(steps)
    if readout == "last":
        return steps[-1]
    total = steps[0]
    for one in steps[1:]:
        total = total + one
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
        args = [values[one] if isinstance(one, Node) else F(one) for one in node.args]
        return np.broadcast_to(OPERATIONS[node.op](*args), node.shape)
    raise TypeError(f"no value for {node}")


def _linear(x: Array, node: Linear) -> Array:
    total, weight = node.bias.astype(F), node.weight.astype(F)
    for i in np.flatnonzero(x):
        total = total + weight[:, i] * x[i]
    return total


def _convolution(x: Array, node: Convolution) -> Array:
    outputs, rows, columns = node.shape
    weight = node.weight.astype(F)
    within, kernel_rows, kernel_columns = weight.shape[1:]
    (down, right), (pad_y, pad_x) = node.stride, node.padding
    padded = np.pad(x, ((0, 0), (pad_y, pad_y), (pad_x, pad_x)))
    total = np.broadcast_to(node.bias.astype(F)[:, None, None], node.shape).copy()
    share = outputs // node.groups
    for ky in range(kernel_rows):
        for kx in range(kernel_columns):
            top, left = ky * node.dilation[0], kx * node.dilation[1]
            seen = padded[:, top : top + down * (rows - 1) + 1 : down, left : left + right * (columns - 1) + 1 : right]
            for c in range(within):
                for group in range(node.groups):
                    mine = slice(group * share, (group + 1) * share)
                    total[mine] += weight[mine, c, ky, kx][:, None, None] * seen[group * within + c]
    return total


def _pool(x: Array, node: Pool) -> Array:
    _, rows, columns = node.shape
    (down, right), (pad_y, pad_x) = node.stride, node.padding
    nothing = F(-np.inf) if node.kind == "max" else F(0)
    padded = np.pad(x, ((0, 0), (pad_y, pad_y), (pad_x, pad_x)), constant_values=nothing)
    total: Array | None = None
    for ky in range(node.kernel[0]):
        for kx in range(node.kernel[1]):
            seen = padded[:, ky : ky + down * (rows - 1) + 1 : down, kx : kx + right * (columns - 1) + 1 : right]
            if total is None:
                total = seen
            else:
                total = np.where(seen > total, seen, total) if node.kind == "max" else total + seen
    assert total is not None
    return total if node.kind == "max" else total * F(node.scale)


def _sigmoid(x: Array) -> Array:
    one = F(1)
    return one / (one + np.exp(-x))


OPERATIONS: Mapping[str, Callable[..., Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maximum": lambda a, b: np.where(a > b, a, b),
    "minimum": lambda a, b: np.where(a < b, a, b),
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
    "relu": lambda x: np.where(x < 0, F(0), x),
    "floor": np.floor,
    "sign": lambda x: (x > 0).astype(F) - (x < 0).astype(F),
    "cast": lambda x: x.astype(F),
}
