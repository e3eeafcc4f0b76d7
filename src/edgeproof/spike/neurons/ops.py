"""What a neuron model may ask of the values it computes with, beside arithmetic and comparisons.

The same step runs on numpy arrays here, and on symbols where it is turned into other code.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np

__all__ = ["NumpyOps", "Ops", "Value"]

Value: TypeAlias = Any
"""An array, a number, or a symbol for one. It has ``+ - * /``, unary minus, and ``> >= < <=``, which give truths."""


class Ops(Protocol):
    """Functions of values, element by element."""

    def where(self, condition: Value, a: Value, b: Value) -> Value:
        """``a`` where the condition holds, else ``b``."""

    def cast(self, condition: Value) -> Value:
        """1.0 where the condition holds, else 0.0, in float32."""

    def exp(self, x: Value) -> Value:
        """e to the power x."""

    def maximum(self, a: Value, b: Value) -> Value:
        """The greater of the two."""

    def minimum(self, a: Value, b: Value) -> Value:
        """The lesser of the two."""


class NumpyOps:
    """``Ops`` on numpy arrays; every result is float32."""

    def where(self, condition: Value, a: Value, b: Value) -> Value:
        return np.where(condition, np.float32(a), np.float32(b))

    def cast(self, condition: Value) -> Value:
        return np.asarray(condition).astype(np.float32)

    def exp(self, x: Value) -> Value:
        return np.exp(np.float32(x))

    def maximum(self, a: Value, b: Value) -> Value:
        return np.maximum(np.float32(a), np.float32(b))

    def minimum(self, a: Value, b: Value) -> Value:
        return np.minimum(np.float32(a), np.float32(b))
