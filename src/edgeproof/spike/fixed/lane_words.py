"""Whole numbers in C, as many side by side as a vector holds: expressions in the macros of ``lanes``.

Sums and products that fit 32 bits are taken there; a product that does not is taken only where a shift brings it back
into 32 bits at once. What needs more than that has no lanes, and is written with ``words``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edgeproof.spike.fixed.program import MOST
from edgeproof.spike.fixed.words import shift_up
from edgeproof.spike.program import Array, Node

__all__ = ["Lane", "LaneWords", "NoLanesError"]


class NoLanesError(Exception):
    """An operation needs more than 32 bits."""


@dataclass(frozen=True)
class Lane:
    """An expression.

    Attributes:
        text: C; a name, a macro's call, or something in brackets.
        bound: its largest magnitude.
        truth: whether it is a truth, as comparisons give it.
        number: its value, where it is the same known number in all lanes.
        factors: two expressions whose product it is, where that needs more than 32 bits.
        larger: texts of two words of which the truth says that the first is larger.
        difference: two expressions whose difference it is.
        chosen: a truth and a word that it is where that holds; elsewhere it is zero.
    """

    text: str
    bound: int
    truth: bool = False
    number: int | None = None
    factors: tuple[Lane, Lane] | None = None
    larger: tuple[str, str] | None = None
    difference: tuple[Lane, Lane] | None = None
    chosen: tuple[str, str] | None = None


class LaneWords:
    """Operations on expressions. ``table`` gives a word of an array of constants."""

    def __init__(self, table: Callable[[Node, Array], str]) -> None:
        self._table = table

    def number(self, value: int) -> Lane:
        if abs(value) > MOST:
            raise NoLanesError
        return Lane(f"SPLAT({value})", abs(value), number=value)

    def table(self, node: Node, values: Array) -> Lane:
        most = int(abs(values).max())
        if most > MOST:
            raise NoLanesError
        return Lane(self._table(node, values), most)

    def add(self, a: Lane, b: Lane) -> Lane:
        return self._infix("+", a, b)

    def sub(self, a: Lane, b: Lane) -> Lane:
        if a.number == 1 and b.truth:
            return Lane(f"NOT({b.text})", 1, truth=True)
        if b.chosen:
            a = self._as_number(a)
            return Lane(f"SUB_WHERE({b.chosen[0]}, {a.text}, {b.chosen[1]})", self._infix("-", a, b).bound)
        found = self._infix("-", a, b)
        return replace(found, difference=(self._as_number(a), self._as_number(b)))

    def mul(self, a: Lane, b: Lane) -> Lane:
        for one, other in ((a, b), (b, a)):
            if one.number == 1:
                return other
            if one.truth:
                factor = self._as_number(other)
                chosen = (one.text, factor.text)
                return Lane(f"PICK({one.text}, {factor.text}, SPLAT(0))", factor.bound, chosen=chosen)
        bound = a.bound * b.bound
        if a.number is not None and b.number is not None:
            return self.number(a.number * b.number)
        if bound > MOST:
            return Lane("", bound, factors=(b, a) if a.number is not None else (a, b))
        return Lane(f"({a.text} * {b.text})", bound)

    def shift(self, a: Lane, right: int) -> Lane:
        if right == 0 or a.bound == 0:
            return a
        if right < 0:
            return self.mul(a, self.number(1 << -right) if right > -31 else self.number(MOST + 1))
        half = 1 << (right - 1)
        bound = (a.bound + half) >> right
        if bound > MOST:
            raise NoLanesError
        if a.factors:
            first, second = a.factors
            up = shift_up(first.bound, second.bound, right)
            return Lane(f"SCALED({first.text}, {second.text}, {right}, {up})", bound)
        if a.number is not None:
            return self.number((a.number + half) >> right)
        value = self._as_number(a)
        if right > 31:
            return self.number(0)
        if a.bound + half <= MOST:
            return Lane(f"(({value.text} + SPLAT({half})) >> {right})", bound)
        return Lane(f"SHIFTED({value.text}, {right})", bound)

    def floor(self, a: Lane, right: int) -> Lane:
        if right <= 0:
            return self.shift(a, right)
        if a.factors or right > 31:
            raise NoLanesError
        return Lane(f"({self._as_number(a).text} >> {right})", (a.bound >> right) + 1)

    def compare(self, op: str, a: Lane, b: Lane) -> Lane:
        if op == "ne" and a.truth and b.number == 0:
            return a
        if b.number == 0 and a.difference:
            a, b = a.difference
        first, second = self._as_number(a).text, self._as_number(b).text
        if op in ("gt", "lt") and a.bound + b.bound <= MOST:
            op += "_near"
        ordered = {"gt": (first, second), "lt": (second, first)}.get(op[:2])
        return Lane(f"{op.upper()}({first}, {second})", 1, truth=True, larger=ordered)

    def both(self, a: Lane, b: Lane) -> Lane:
        return Lane(f"({a.text} & {b.text})", 1, truth=True)

    def either(self, a: Lane, b: Lane) -> Lane:
        return Lane(f"({a.text} | {b.text})", 1, truth=True)

    def where(self, truth: Lane, a: Lane, b: Lane) -> Lane:
        a, b = self._as_number(a), self._as_number(b)
        bound = max(a.bound, b.bound)
        if truth.larger == (a.text, b.text):
            return Lane(f"LARGER({a.text}, {b.text})", bound)
        if truth.larger == (b.text, a.text):
            return Lane(f"SMALLER({a.text}, {b.text})", bound)
        return Lane(f"PICK({truth.text}, {a.text}, {b.text})", bound)

    def fit(self, a: Lane) -> Lane:
        if a.factors or a.bound > MOST:
            raise NoLanesError
        return a

    def _as_number(self, a: Lane) -> Lane:
        if a.factors:
            raise NoLanesError
        return Lane(f"ONE({a.text})", 1) if a.truth else a

    def _infix(self, sign: str, a: Lane, b: Lane) -> Lane:
        a, b = self._as_number(a), self._as_number(b)
        if a.bound + b.bound > MOST:
            raise NoLanesError
        return Lane(f"({a.text} {sign} {b.text})", a.bound + b.bound)
