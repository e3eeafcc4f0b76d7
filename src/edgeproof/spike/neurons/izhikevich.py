"""Izhikevich's neuron, in Norse's form of it."""

from __future__ import annotations

from typing import NamedTuple

from edgeproof.spike.neurons.ops import Ops, Value

__all__ = ["IzhikevichParams", "IzhikevichState", "izhikevich_initial", "izhikevich_step"]


class IzhikevichState(NamedTuple):
    """Membrane in mV and recovery."""

    v: Value
    u: Value


class IzhikevichParams(NamedTuple):
    """Parameters of an Izhikevich neuron.

    Attributes:
        rate: milliseconds in a step (Norse: ``tau_inv · dt``).
        recovery_rate: ``rate · a``.
        b: how much the recovery follows the membrane.
        c: what the membrane is set to after a spike, mV.
        d: what a spike adds to the recovery.
        v_initial: membrane before the first step, mV.
        u_initial: recovery before the first step.
        square: factor of v².
        linear: factor of v.
        bias: constant.
        v_threshold: where it fires, mV.
    """

    rate: Value
    recovery_rate: Value
    b: Value
    c: Value
    d: Value
    v_initial: Value = -65.0
    u_initial: Value = -13.0
    square: Value = 0.04
    linear: Value = 5.0
    bias: Value = 140.0
    v_threshold: Value = 30.0


def izhikevich_step(
    x: Value, state: IzhikevichState, params: IzhikevichParams, ops: Ops
) -> tuple[Value, IzhikevichState]:
    """``dv/dt = 0.04 v² + 5 v + 140 - u + x``, ``du/dt = a (b v - u)``; above 30 mV ``v ← c``, ``u ← u + d``.

    Forward Euler, both from the values before the step. Source: Izhikevich 2003, Simple model of spiking neurons,
    equations (1) to (3); order of operations: Norse 1.1, ``functional/izhikevich.py``.
    """
    drive = ((params.square * (state.v * state.v) + params.linear * state.v) + params.bias - state.u) + x
    v = state.v + params.rate * drive
    u = state.u + params.recovery_rate * (params.b * state.v - state.u)
    fired = v > params.v_threshold
    return ops.cast(fired), IzhikevichState(ops.where(fired, params.c, v), ops.where(fired, u + params.d, u))


def izhikevich_initial(params: IzhikevichParams) -> IzhikevichState:
    """As the parameters say."""
    return IzhikevichState(params.v_initial, params.u_initial)
