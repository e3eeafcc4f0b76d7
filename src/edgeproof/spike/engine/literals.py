"""Numbers as C writes them, exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgeproof.errors import ConversionError
from edgeproof.spike.program import Array

__all__ = ["floats", "integers", "number"]

WIDTH = 110


def number(value: float) -> str:
    """A float32 constant: decimal where that is short and exact, hexadecimal otherwise.

    Raises:
        ConversionError: it is NaN.
    """
    value = float(np.float32(value))
    if math.isnan(value):
        raise ConversionError("the network has NaN among its numbers")
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    if value == round(value) and abs(value) < 1e6:
        return f"{value:.1f}f"
    mantissa, _, exponent = value.hex().partition("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}f"


def floats(values: Array) -> str:
    """Lines of float32 constants, separated by commas.

    Raises:
        ConversionError: NaN.
    """
    if np.isnan(values).any():
        raise ConversionError("the network has NaN among its weights", hint="train it again, or repair its weights")
    return _wrapped([number(value) for value in values.tolist()])


def integers(values: Array) -> str:
    """Lines of whole numbers, separated by commas."""
    return _wrapped([str(value) for value in values.tolist()])


def _wrapped(words: Sequence[str]) -> str:
    lines: list[str] = []
    line: list[str] = []
    length = 0
    for word in words:
        if length + len(word) > WIDTH:
            lines.append(",".join(line))
            line, length = [], 0
        line.append(word)
        length += len(word) + 1
    lines.append(",".join(line))
    return ",\n".join(lines) + "\n"
