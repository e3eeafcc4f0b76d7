"""Pieces of generated C that recur: one text for each of several numbers, and the heads of sums over rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["each", "head"]


def each(numbers: Sequence[int], text: Callable[[int], str]) -> str:
    """One text below the other."""
    return "\n".join(text(v) for v in numbers)


def head(name: str, more: str = "") -> str:
    """How a function begins that sums up rows of weights."""
    return f"""TARGET static void VARIANT({name})(int32_t *restrict y, const int8_t *restrict weights,
    size_t stride, const PLACE *list, {more}uint32_t count, int wanted) {{
  (void)wanted;
"""
