"""Whole numbers in C: expressions that know how large they can get, and so whether 32 bits hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgeproof.errors import ConversionError
from edgeproof.spike.fixed.program import MOST
from edgeproof.spike.program import Array, Node

__all__ = ["HELPERS", "Word", "Words", "shift_up"]

LARGEST = (1 << 62) - 1
INFIX = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "ne": "!="}

HELPERS = """
static inline int32_t fit(int64_t value) {
  return value > 2147483647 ? 2147483647 : value < -2147483647 ? -2147483647 : (int32_t)value;
}

static inline int32_t held(int64_t value) {
  return value > 268435456 ? 268435456 : value < -268435456 ? -268435456 : (int32_t)value;
}

static inline int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

static inline int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

#if defined(__ARM_FEATURE_DSP) && (defined(__GNUC__) || defined(__clang__))
#define HAS_DSP
#endif

/* a * f * 2^-k, rounded to the nearest, halves up; the result fits 32 bits. a fits them too when it is shifted by `up`
 * to the left, and so does f by the rest of what makes k of 32; -1: there is no such number. */
static inline int32_t multiplied(int32_t a, int32_t f, int k, int up) {
#ifdef HAS_DSP
  if (up >= 0) {
    int32_t found;
    __asm__("smmulr %0, %1, %2" : "=r"(found) : "r"((uint32_t)a << up), "r"((uint32_t)f << (32 - k - up)));
    return found;
  }
#endif
  (void)up;
  return (int32_t)(((int64_t)a * f + ((int64_t)1 << (k - 1))) >> k);
}

/* A sum of weights in the unit of its result, with its bias. */
static inline int32_t scaled(int64_t sum, int32_t factor, int shift, int32_t bias) {
  return held(((sum * factor + ((int64_t)1 << (shift - 1))) >> shift) + bias);
}

/* A number from outside; NaN counts as zero. */
static inline int32_t taken(float value, float per_unit) {
  const float units = value * per_unit;
  const float most = 268435456.0f;
  if (!(units == units)) return 0;
  return units >= most ? 268435456 : units <= -most ? -268435456 : (int32_t)rintf(units);
}
"""


@dataclass(frozen=True)
class Word:
    """An expression.

    Attributes:
        text: C; a name, a number, or something in brackets.
        bound: its largest magnitude.
        wide: whether it is of 64 bits.
    """

    text: str
    bound: int
    wide: bool = False


def shift_up(a: int, f: int, right: int) -> int:
    """By how many bits a number goes to the left so that a product's upper 32 bits are its result.

    Args:
        a: the largest magnitude of one factor.
        f: of the other, which takes as much of it as it can.
        right: bits by which the product is shifted to the right.

    Returns:
        that; -1 where both together cannot go so far.
    """
    rest = 32 - right
    up = max(0, rest - (31 - f.bit_length()))
    return up if rest >= 0 and up + a.bit_length() <= 31 and f.bit_length() <= 31 else -1


class Words:
    """Operations on expressions. ``table`` gives the name of an array of constants."""

    def __init__(self, table: Callable[[Node, Array], str]) -> None:
        self._table = table

    def number(self, value: int) -> Word:
        return Word(str(value) if value >= 0 else f"({value})", abs(value), abs(value) > MOST)

    def table(self, node: Node, values: Array) -> Word:
        return Word(self._table(node, values), int(abs(values).max()))

    def add(self, a: Word, b: Word) -> Word:
        return self._infix("+", a, b, a.bound + b.bound)

    def sub(self, a: Word, b: Word) -> Word:
        return self._infix("-", a, b, a.bound + b.bound)

    def mul(self, a: Word, b: Word) -> Word:
        if b.text == "1":
            return a
        return self._infix("*", a, b, a.bound * b.bound)

    def shift(self, a: Word, right: int) -> Word:
        if right == 0 or a.bound == 0:
            return a
        if right < 0:
            return self.mul(a, Word(str(1 << -right), 1 << -right, -right > 30))
        half = 1 << (right - 1)
        total = self.add(a, Word(str(half), half, half > MOST))
        return self._narrowed(f"({total.text} >> {right})", (a.bound + half) >> right, total.wide)

    def floor(self, a: Word, right: int) -> Word:
        if right <= 0:
            return self.shift(a, right)
        return self._narrowed(f"({a.text} >> {right})", (a.bound >> right) + 1, a.wide)

    def compare(self, op: str, a: Word, b: Word) -> Word:
        return Word(f"({a.text} {INFIX[op]} {b.text})", 1)

    def both(self, a: Word, b: Word) -> Word:
        return Word(f"({a.text} & {b.text})", 1)

    def either(self, a: Word, b: Word) -> Word:
        return Word(f"({a.text} | {b.text})", 1)

    def where(self, truth: Word, a: Word, b: Word) -> Word:
        return Word(f"({truth.text} ? {a.text} : {b.text})", max(a.bound, b.bound), a.wide or b.wide)

    def fit(self, a: Word) -> Word:
        return Word(f"fit({a.text})", MOST) if a.bound > MOST else self._narrowed(a.text, a.bound, a.wide)

    def _infix(self, sign: str, a: Word, b: Word, bound: int) -> Word:
        if bound > LARGEST:
            raise ConversionError(
                "numbers of this network are too far apart for whole numbers of 64 bits",
                hint="ship the network in fp32, or give samples in the range that it sees",
            )
        wide = a.wide or b.wide or bound > MOST
        first = f"(int64_t){a.text}" if wide and not a.wide else a.text
        return Word(f"({first} {sign} {b.text})", bound, wide)

    def _narrowed(self, text: str, bound: int, wide: bool) -> Word:
        return Word(f"(int32_t){text}", bound) if wide and bound <= MOST else Word(text, bound, wide)
