"""Membranes that do not leak: NIR's I and IF."""

from __future__ import annotations

from typing import NamedTuple

from edgeproof.spike.neurons.firing import Firing, advance
from edgeproof.spike.neurons.ops import Ops, Value

__all__ = ["IFParams", "IParams", "IntegratorState", "i_initial", "i_step", "if_initial", "if_step"]


class IntegratorState(NamedTuple):
    """The membrane."""

    v: Value


class IParams(NamedTuple):
    """``gain``: what an input of 1 adds in a step, ``dt · r``."""

    gain: Value


class IFParams(NamedTuple):
    """``gain`` as of an integrator, and how it fires."""

    gain: Value
    firing: Firing


def i_step(x: Value, state: IntegratorState, params: IParams, _ops: Ops) -> tuple[Value, IntegratorState]:
    """NIR's I: ``dv/dt = r · x``; the output is ``v``. One step: ``v ← v + gain · x``.

    Source: Pedersen et al. 2024, Neuromorphic intermediate representation.
    """
    v = state.v + params.gain * x
    return v, IntegratorState(v)


def i_initial(_params: IParams) -> IntegratorState:
    """Nothing integrated yet."""
    return IntegratorState(0.0)


def if_step(x: Value, state: IntegratorState, params: IFParams, ops: Ops) -> tuple[Value, IntegratorState]:
    """NIR's IF: ``dv/dt = r · x``, fires above ``v_threshold``, is reset. One step: ``v ← v + gain · x``, then
    ``firing.advance``.

    With ``gain = 1`` it is SpikingJelly's ``IFNode`` (operator ``>=``) and Norse's ``iaf_feed_forward_step`` (``>``).
    Source: as ``i_step``.
    """
    spikes, v = advance(state.v, lambda v: v + params.gain * x, params.firing, ops)
    return spikes, IntegratorState(v)


def if_initial(params: IFParams) -> IntegratorState:
    """As if it had just been reset: NIR gives no other resting point."""
    return IntegratorState(params.firing.v_reset)
