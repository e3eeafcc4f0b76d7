"""Elementwise nodes made simple as they are made: numbers computed in advance, neutral operations left out.

What is left is what the engine has to do at every step; and a spike times one stays a spike.
"""

from __future__ import annotations

import numpy as np

from edgeproof.spike.interpreter import OPERATIONS
from edgeproof.spike.program import TRUTHS, Array, Constant, Elementwise, Node, Reshape, broadcast_shape

__all__ = ["constant", "elementwise", "is_binary", "reshape"]

Argument = Node | float


def constant(value: Array) -> Argument:
    """A number where all elements are the same, else a node."""
    value = np.asarray(value)
    first = value.reshape(-1)[:1]
    if value.size and value.dtype != np.bool_ and bool((value == first).all()):
        return float(np.float32(first[0]))
    return Constant(value if value.dtype == np.bool_ else value.astype(np.float32))


def elementwise(op: str, *args: Argument) -> Argument:
    """The operation, or what is known of it already. Sums and products with neutral numbers are left out."""
    values = [one.value if isinstance(one, Constant) else one for one in args]
    if not any(isinstance(one, Node) for one in values):
        numbers = [np.float32(one) if isinstance(one, float) else one for one in values]
        with np.errstate(all="ignore"):
            found = np.asarray(OPERATIONS[op](*numbers))
        return constant(found) if op not in TRUTHS else constant(found.astype(np.float32))
    neutral = _neutral(op, args)
    return Elementwise(op, args) if neutral is None else neutral


def _neutral(op: str, args: tuple[Argument, ...]) -> Node | None:
    shape = broadcast_shape([one.shape for one in args if isinstance(one, Node)])
    for number, other in (args, args[::-1]) if len(args) == 2 else ():
        same = isinstance(other, Node) and other.shape == shape
        if not (isinstance(number, float) and same):
            continue
        assert isinstance(other, Node)
        if (op, number) in (("mul", 1.0), ("add", 0.0)):
            return other
        if (op, number) in (("sub", 0.0), ("div", 1.0)) and args[1] is number:
            return other
    if op == "cast" and isinstance(args[0], Node) and not is_truth(args[0]):
        return args[0]
    return None


def is_truth(node: Node) -> bool:
    """Whether the node is true or false instead of a number."""
    if isinstance(node, Reshape):
        return is_truth(node.x)
    if isinstance(node, Constant):
        return node.value.dtype == np.bool_
    return isinstance(node, Elementwise) and node.is_truth


def is_binary(node: Node) -> bool:
    """Whether every element is 0 or 1: spikes."""
    from edgeproof.spike.program import Pool

    if isinstance(node, Reshape):
        return is_binary(node.x)
    if isinstance(node, Pool):
        return node.kind == "max" and node.padding == (0, 0) and is_binary(node.x)
    if isinstance(node, Elementwise):
        if node.op in ("mul", "maximum", "minimum"):
            return all(_binary_argument(one) for one in node.args)
        if node.op == "where":
            return all(_binary_argument(one) for one in node.args[1:])
        return node.op == "cast" or node.is_truth
    return isinstance(node, Constant) and bool(np.isin(node.value, (0, 1)).all())


def _binary_argument(one: Argument) -> bool:
    return is_binary(one) if isinstance(one, Node) else one in (0.0, 1.0)


def reshape(x: Node, to: tuple[int, ...]) -> Node:
    """The same numbers in another shape; nothing where it has that shape."""
    if isinstance(x, Reshape):
        x = x.x
    return x if x.shape == to else Reshape(x, to)
