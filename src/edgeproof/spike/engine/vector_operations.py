"""Elementwise operations on vectors, in the words of ``truths``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from edgeproof.spike.program import COMPARISONS, Elementwise, Node

__all__ = ["ONE", "ZERO", "directly", "has_vectors", "written"]

INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
COMPARED = {"gt": "GT", "ge": "GE", "lt": "LT", "le": "LE", "eq": "EQ", "ne": "NE", "and": "AND", "or": "OR"}
ONE, ZERO = "SPREAD(1.0f)", "SPREAD(0.0f)"


def _beyond(a: str, b: str, how: str) -> str:
    return f"CHOOSE(OR({how}({a}, {b}), NE({a}, {a})), {a}, {b})"


OTHERS: Mapping[str, Callable[..., str]] = {
    "neg": lambda a: f"-{a}",
    "abs": lambda a: f"ABS({a})",
    "not": lambda a: f"NOT({a})",
    "cast": lambda a: a,
    "where": lambda a, b, c: f"CHOOSE({a}, {b}, {c})",
    "maximum": lambda a, b: _beyond(a, b, "GT"),
    "minimum": lambda a, b: _beyond(a, b, "LT"),
    "relu": lambda a: f"CHOOSE(LT({a}, {ZERO}), {ZERO}, {a})",
    "sign": lambda a: f"CHOOSE(GT({a}, {ZERO}), {ONE}, {ZERO}) - CHOOSE(LT({a}, {ZERO}), {ONE}, {ZERO})",
}


def has_vectors(node: Elementwise) -> bool:
    """Whether there are words for an operation; a divisor that stands in the padding could be zero."""
    if node.op == "div":
        return not isinstance(node.args[1], Node)
    return node.op in INFIX or node.op in COMPARED or node.op in OTHERS


def written(op: str, words: Sequence[str]) -> str:
    """One operation in C."""
    if op in INFIX:
        return f" {INFIX[op]} ".join(words)
    if op in COMPARED:
        return f"{COMPARED[op]}({', '.join(words)})"
    return OTHERS[op](*words)


def directly(node: Elementwise, group: Sequence[Elementwise]) -> tuple[Node | float, ...]:
    """What an operation takes; a difference to a number that is compared with zero is compared with that number.

    A difference of two numbers in float32 is zero where they are the same, and else has the sign of the exact one.

    Args:
        node: the operation.
        group: what is computed in one loop with it: the difference is among this, so that its source is at hand.
    """
    if node.op not in COMPARISONS or node.args[1] != 0.0:
        return node.args
    first = node.args[0]
    if first not in group or not isinstance(first, Elementwise) or first.op not in ("add", "sub"):
        return node.args
    if first.shape != node.shape:
        return node.args
    x, other = first.args
    if isinstance(x, Node) and isinstance(other, float) and math.isfinite(other):
        return x, other if first.op == "sub" else -other
    return node.args
