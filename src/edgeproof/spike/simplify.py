"""Elementwise nodes made simple as they are made: numbers computed in advance, neutral operations left out.

What is left is what the engine has to do at every step; and a spike times one stays a spike.
"""

from __future__ import annotations

import numpy as np

from edgeproof.spike.interpreter import apply
from edgeproof.spike.program import (
    TRUTHS,
    Array,
    Constant,
    Elementwise,
    Node,
    Pool,
    Reshape,
    broadcast_shape,
    storage,
    walk,
)

__all__ = ["binary_among", "constant", "elementwise", "is_truth", "reshape"]

Argument = Node | float


def constant(value: Array) -> Argument:
    """A number where all elements are the same, else a node."""
    value = np.asarray(value)
    first = value.reshape(-1)[:1]
    if value.size and value.dtype != np.bool_ and bool((value == first).all()):
        return float(np.float32(first[0]))
    return Constant(value if value.dtype == np.bool_ else value.astype(np.float32))


def elementwise(op: str, *args: Argument) -> Argument:
    """The operation, or what is known of it already. Sums and products with neutral numbers are left out.

    Raises:
        ConversionError: an operation that is not known, or shapes that cannot be broadcast.
    """
    values = [argument.value if isinstance(argument, Constant) else argument for argument in args]
    if not any(isinstance(value, Node) for value in values):
        numbers = [
            np.asarray(value) if isinstance(value, np.ndarray) else np.asarray(value, np.float32) for value in values
        ]
        with np.errstate(all="ignore"):
            found = apply(op, numbers)
        return constant(found) if op not in TRUTHS else constant(found.astype(np.float32))
    neutral = _neutral(op, args)
    return Elementwise(op, args) if neutral is None else neutral


def _neutral(op: str, args: tuple[Argument, ...]) -> Node | None:
    shape = broadcast_shape([argument.shape for argument in args if isinstance(argument, Node)])
    for number, other in (args, args[::-1]) if len(args) == 2 else ():
        same = isinstance(other, Node) and other.shape == shape
        if not (isinstance(number, float) and same):
            continue
        assert isinstance(other, Node)
        last = args[1] is number
        if (op, number) in (("mul", 1.0), ("add", 0.0)) or (last and (op, number) in (("sub", 0.0), ("div", 1.0))):
            return Elementwise("cast", (other,)) if is_truth(other) else other
    if op == "cast" and isinstance(args[0], Node) and not is_truth(args[0]):
        return args[0]
    return None


def is_truth(node: Node) -> bool:
    """Whether the node is true or false instead of a number."""
    node = storage(node)
    if isinstance(node, Constant):
        return node.value.dtype == np.bool_
    return isinstance(node, Elementwise) and node.is_truth


def binary_among(roots: tuple[Node, ...]) -> frozenset[Node]:
    """The nodes that the roots need of which every element is 0 or 1: spikes."""
    found: set[Node] = set()

    def binary(argument: Argument) -> bool:
        return argument in found if isinstance(argument, Node) else argument in (0.0, 1.0)

    for node in walk(roots):
        if isinstance(node, Reshape):
            known = binary(node.x)
        elif isinstance(node, Pool):
            inside = all(pad < taps for pad, taps in zip(node.padding, node.kernel, strict=True))
            known = node.kind == "max" and inside and binary(node.x)
        elif isinstance(node, Elementwise) and node.op in ("mul", "maximum", "minimum"):
            known = all(map(binary, node.args))
        elif isinstance(node, Elementwise) and node.op == "where":
            known = all(map(binary, node.args[1:]))
        elif isinstance(node, Elementwise):
            known = node.is_truth or (node.op == "cast" and all(map(is_truth, node.sources)))
        else:
            known = isinstance(node, Constant) and bool(np.isin(node.value, (0, 1)).all())
        if known:
            found.add(node)
    return frozenset(found)


def reshape(x: Node, to: tuple[int, ...]) -> Node:
    """The same numbers in another shape; nothing where it has that shape."""
    if isinstance(x, Reshape):
        x = x.x
    return x if x.shape == to else Reshape(x, to)
