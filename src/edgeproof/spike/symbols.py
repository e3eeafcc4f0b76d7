"""Symbols that a neuron's step is called with, so that what it says becomes nodes of a program, and is said once."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeproof.spike.neurons.ops import Value
from edgeproof.spike.program import Array, Constant, Node, Shape
from edgeproof.spike.simplify import constant, elementwise

__all__ = ["Symbol", "SymbolicOps", "spread"]


class Symbol:
    """A value of a program under construction: a node, or a number that is known already."""

    __slots__ = ("value",)
    __array_ufunc__ = None
    """An array on the left leaves the operation to the symbol."""

    def __init__(self, value: Node | float) -> None:
        self.value = value

    def node(self, shape: Shape) -> Node:
        """As a node of that shape."""
        if isinstance(self.value, Node) and not isinstance(self.value, Constant):
            return self.value
        known = self.value.value if isinstance(self.value, Constant) else np.float32(self.value)
        return Constant(np.broadcast_to(known, shape).copy())

    def __add__(self, other: Value) -> Symbol:
        return _made("add", self, other)

    def __radd__(self, other: Value) -> Symbol:
        return _made("add", other, self)

    def __sub__(self, other: Value) -> Symbol:
        return _made("sub", self, other)

    def __rsub__(self, other: Value) -> Symbol:
        return _made("sub", other, self)

    def __mul__(self, other: Value) -> Symbol:
        return _made("mul", self, other)

    def __rmul__(self, other: Value) -> Symbol:
        return _made("mul", other, self)

    def __truediv__(self, other: Value) -> Symbol:
        return _made("div", self, other)

    def __rtruediv__(self, other: Value) -> Symbol:
        return _made("div", other, self)

    def __neg__(self) -> Symbol:
        return _made("neg", self)

    def __gt__(self, other: Value) -> Symbol:
        return _made("gt", self, other)

    def __ge__(self, other: Value) -> Symbol:
        return _made("ge", self, other)

    def __lt__(self, other: Value) -> Symbol:
        return _made("lt", self, other)

    def __le__(self, other: Value) -> Symbol:
        return _made("le", self, other)

    def __bool__(self) -> bool:
        raise TypeError("a neuron's step asks whether a value is true; it must choose with ops.where")


class SymbolicOps:
    """``neurons.ops.Ops`` on symbols."""

    def where(self, condition: Value, a: Value, b: Value) -> Symbol:
        return _made("where", condition, a, b)

    def cast(self, condition: Value) -> Symbol:
        return _made("cast", condition)

    def exp(self, x: Value) -> Symbol:
        return _made("exp", x)

    def maximum(self, a: Value, b: Value) -> Symbol:
        return _made("maximum", a, b)

    def minimum(self, a: Value, b: Value) -> Symbol:
        return _made("minimum", a, b)


def spread(value: Any, shape: Shape) -> Symbol:
    """Parameters as a symbol of a node's shape; one number where all are the same."""
    array: Array = np.broadcast_to(np.asarray(value), shape)
    return Symbol(constant(array.copy()))


def _made(op: str, *parts: Value) -> Symbol:
    return Symbol(elementwise(op, *(part.value if isinstance(part, Symbol) else float(part) for part in parts)))
