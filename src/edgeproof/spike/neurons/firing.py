"""When a membrane fires and what it is reset to: the three choices that NIR's equations leave open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

from edgeproof.spike.neurons.ops import Ops, Value

__all__ = ["Firing", "Operator", "ResetRule", "advance", "fires"]

ResetRule: TypeAlias = Literal["subtract", "zero", "none"]
Operator: TypeAlias = Literal[">", ">="]


class Firing(NamedTuple):
    """How a membrane fires.

    Attributes:
        v_threshold: where it fires.
        v_reset: what ``zero`` sets it to; the other rules do not use it.
        reset: ``zero`` sets the membrane to ``v_reset``, ``subtract`` takes ``v_threshold`` off, ``none`` leaves it.
        reset_delay: 0: reset in the step that fires. 1: in the next one, by what the membrane was at its beginning.
        operator: whether a membrane that equals the threshold fires (``>=``) or not (``>``).
    """

    v_threshold: Value
    v_reset: Value = 0.0
    reset: ResetRule = "zero"
    reset_delay: int = 0
    operator: Operator = ">"


def fires(v: Value, v_threshold: Value, operator: Operator) -> Value:
    """Where a membrane fires, as truth values."""
    return v >= v_threshold if operator == ">=" else v > v_threshold


def advance(v: Value, update: Callable[[Value], Value], firing: Firing, ops: Ops) -> tuple[Value, Value]:
    """One step of a membrane that fires: ``update`` integrates it, the rest is reset and threshold.

    With a delay of 1, ``zero`` resets before the membrane is integrated and ``subtract`` after it, which is the order
    of snnTorch's ``Leaky`` (1.0, ``_neurons/leaky.py``).

    Returns:
        spikes as 0.0 and 1.0, and the membrane as the next step finds it.
    """
    if firing.reset_delay == 0 or firing.reset == "none":
        v = update(v)
        fired = fires(v, firing.v_threshold, firing.operator)
        return ops.cast(fired), _reset(v, fired, firing, ops)
    owed = fires(v, firing.v_threshold, firing.operator)
    v = update(_reset(v, owed, firing, ops)) if firing.reset == "zero" else _reset(update(v), owed, firing, ops)
    return ops.cast(fires(v, firing.v_threshold, firing.operator)), v


def _reset(v: Value, fired: Value, firing: Firing, ops: Ops) -> Value:
    if firing.reset == "zero":
        return ops.where(fired, firing.v_reset, v)
    if firing.reset == "subtract":
        return ops.where(fired, v - firing.v_threshold, v)
    return v
