"""Elementwise operations in whole numbers, written once for numpy and for C.

An ``Algebra`` says what a sum, a shift or a choice is; ``compute`` says which of them an operation is made of. So the
interpreter and the generated code cannot differ in more than an algebra's few lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeGuard, TypeVar

import numpy as np

from edgeproof.errors import ConversionError, UnsupportedError
from edgeproof.spike.fixed.program import MOST
from edgeproof.spike.program import Array, Constant, Elementwise, Node, storage

__all__ = ["Algebra", "Units", "compute", "whole"]

V = TypeVar("V")
FACTOR_BITS = 23
"""Significant bits of a number that others are multiplied by, as many as float32 has."""
COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne")


class Algebra(Protocol[V]):
    """Operations on whole numbers of 64 bits."""

    def number(self, value: int) -> V:
        """A constant."""

    def table(self, node: Node, values: Array) -> V:
        """A constant of each element; ``values`` int64 in the node's shape."""

    def add(self, a: V, b: V) -> V:
        """a + b."""

    def sub(self, a: V, b: V) -> V:
        """a - b."""

    def mul(self, a: V, b: V) -> V:
        """a · b."""

    def shift(self, a: V, right: int) -> V:
        """a · 2^-right, rounded to the nearest, halves up."""

    def floor(self, a: V, right: int) -> V:
        """a · 2^-right, rounded down."""

    def compare(self, op: str, a: V, b: V) -> V:
        """0 or 1."""

    def both(self, a: V, b: V) -> V:
        """Of truths."""

    def either(self, a: V, b: V) -> V:
        """Of truths."""

    def where(self, truth: V, a: V, b: V) -> V:
        """a or b."""

    def fit(self, a: V) -> V:
        """Held to ±MOST."""


class Units(Protocol):
    """What numbers are worth."""

    def bits_of(self, node: Node) -> int:
        """The unit of a value is 2^-bits."""


def whole(values: Array | float, bits: int) -> Array:
    """Numbers in units of ``2^-bits``, int64, held to ±MOST.

    Raises:
        ConversionError: NaN.
    """
    numbers = np.asarray(values, np.float64)
    if np.isnan(numbers).any():
        raise ConversionError("the network has NaN among its numbers", hint="train it again, or repair them")
    return np.asarray(np.clip(np.rint(np.ldexp(numbers, bits)), -MOST, MOST), np.int64)


def compute(node: Elementwise, value: Callable[[Node], V], algebra: Algebra[V], units: Units) -> V:
    """The operation's result, in its own unit.

    Args:
        node: the operation.
        value: of its sources, each in its unit, broadcast where need be.
        algebra: what computes.
        units: of the sources and the result.

    Raises:
        UnsupportedError: there is no such operation in whole numbers.
    """
    return algebra.fit(_Operation(node, value, algebra, units).result())


class _Operation(Generic[V]):
    def __init__(self, node: Elementwise, value: Callable[[Node], V], algebra: Algebra[V], units: Units) -> None:
        self._node = node
        self._value = value
        self._algebra = algebra
        self._units = units
        self._bits = units.bits_of(node)

    def result(self) -> V:
        op, args = self._node.op, self._node.args
        if op in COMPARISONS:
            finest = max([self._units.bits_of(argument) for argument in args if _varies(argument)], default=0)
            return self._algebra.compare(op, self._as(args[0], finest), self._as(args[1], finest))
        if op not in RECIPES:
            raise UnsupportedError(
                f"the engine in whole numbers has no {op}, which is among this network's neurons",
                hint="it has sums, products, comparisons and choices; ship the network in fp32",
            )
        return RECIPES[op](self)

    # What the recipes are made of.

    def _as(self, argument: Node | float, bits: int) -> V:
        """An argument in a unit."""
        if not isinstance(argument, Node):
            return self._algebra.number(int(whole(argument, bits)))
        node = storage(argument)
        if isinstance(node, Constant):
            return self._algebra.table(argument, whole(node.value.reshape(argument.shape), bits))
        return self._algebra.shift(self._value(argument), self._units.bits_of(argument) - bits)

    def argument(self, at: int) -> V:
        """An argument in the result's unit."""
        return self._as(self._node.args[at], self._bits)

    def truth(self, at: int) -> V:
        """Whether an argument is not zero."""
        value, _ = self._own(self._node.args[at])
        return self._algebra.compare("ne", value, self._algebra.number(0))

    def _own(self, argument: Node | float) -> tuple[V, int]:
        """An argument in its own unit, and that unit's bits."""
        bits = self._units.bits_of(argument) if _varies(argument) else FACTOR_BITS
        return self._as(argument, bits), bits

    def sum(self) -> V:
        return self._algebra.add(self.argument(0), self.argument(1))

    def difference(self) -> V:
        return self._algebra.sub(self.argument(0), self.argument(1))

    def product(self) -> V:
        terms = [self._factor(argument) for argument in self._node.args]
        bits = sum(count for _, count in terms)
        return self._algebra.shift(self._algebra.mul(terms[0][0], terms[1][0]), bits - self._bits)

    def quotient(self) -> V:
        """By a constant."""
        by = self._node.args[1]
        if _varies(by):
            raise UnsupportedError(
                "the engine in whole numbers divides by constants only", hint="ship the network in fp32"
            )
        values = _numbers(by)
        if not values.all():
            raise ConversionError("the network divides by zero", hint="ship the network in fp32")
        factor, bits = self._constant_factor(by, 1 / values)
        own, more = self._factor(self._node.args[0])
        return self._algebra.shift(self._algebra.mul(own, factor), bits + more - self._bits)

    def _factor(self, argument: Node | float) -> tuple[V, int]:
        """An argument and its bits; a constant with as many as its size allows."""
        if _varies(argument):
            return self._value(argument), self._units.bits_of(argument)
        return self._constant_factor(argument, _numbers(argument))

    def _constant_factor(self, argument: Node | float, values: Array) -> tuple[V, int]:
        largest = float(np.abs(values).max())
        if not math.isfinite(largest):
            raise ConversionError(
                "the network multiplies by a number that is not finite", hint="ship the network in fp32"
            )
        bits = FACTOR_BITS - math.frexp(largest)[1] if largest else 0
        exact = whole(values, bits)
        while bits > 0 and not (exact & 1).any():
            exact, bits = exact >> 1, bits - 1
        found = self._algebra.table(argument, exact) if isinstance(argument, Node) else self._algebra.number(int(exact))
        return found, bits

    def choice(self) -> V:
        return self._algebra.where(self.truth(0), self.argument(1), self.argument(2))

    def larger(self) -> V:
        a, b = self.argument(0), self.argument(1)
        return self._algebra.where(self._algebra.compare("gt", a, b), a, b)

    def smaller(self) -> V:
        a, b = self.argument(0), self.argument(1)
        return self._algebra.where(self._algebra.compare("lt", a, b), a, b)

    def negative(self) -> V:
        return self._algebra.sub(self._algebra.number(0), self.argument(0))

    def positive(self) -> V:
        a, zero = self.argument(0), self._algebra.number(0)
        return self._algebra.where(self._algebra.compare("lt", a, zero), zero, a)

    def magnitude(self) -> V:
        a = self.argument(0)
        return self._algebra.where(self._algebra.compare("lt", a, self._algebra.number(0)), self.negative(), a)

    def sign(self) -> V:
        (a, _), zero = self._own(self._node.args[0]), self._algebra.number(0)
        found = self._algebra.sub(self._algebra.compare("gt", a, zero), self._algebra.compare("lt", a, zero))
        return self._algebra.shift(found, -self._bits)

    def rounded_down(self) -> V:
        value, bits = self._own(self._node.args[0])
        return self._algebra.shift(self._algebra.floor(value, bits), -self._bits)

    def both(self) -> V:
        return self._algebra.both(self.truth(0), self.truth(1))

    def either(self) -> V:
        return self._algebra.either(self.truth(0), self.truth(1))

    def opposite(self) -> V:
        return self._algebra.sub(self._algebra.number(1), self.truth(0))


RECIPES: Mapping[str, Callable[[_Operation[V]], V]] = {
    "add": _Operation.sum,
    "sub": _Operation.difference,
    "mul": _Operation.product,
    "div": _Operation.quotient,
    "maximum": _Operation.larger,
    "minimum": _Operation.smaller,
    "where": _Operation.choice,
    "neg": _Operation.negative,
    "abs": _Operation.magnitude,
    "relu": _Operation.positive,
    "sign": _Operation.sign,
    "floor": _Operation.rounded_down,
    "cast": lambda operation: operation.argument(0),
    "and": _Operation.both,
    "or": _Operation.either,
    "not": _Operation.opposite,
}


def _numbers(argument: Node | float) -> Array:
    """A constant's numbers, float64."""
    if not isinstance(argument, Node):
        return np.asarray(argument, np.float64)
    constant = storage(argument)
    assert isinstance(constant, Constant)
    return constant.value.reshape(argument.shape).astype(np.float64)


def _varies(argument: Node | float) -> TypeGuard[Node]:
    return isinstance(argument, Node) and not isinstance(storage(argument), Constant)
