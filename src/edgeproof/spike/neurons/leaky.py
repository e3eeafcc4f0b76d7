"""Leaky membranes with the input as their current: NIR's LI and LIF."""

from __future__ import annotations

from typing import NamedTuple

from edgeproof.spike.neurons.firing import Firing, advance
from edgeproof.spike.neurons.ops import Ops, Value

__all__ = ["LIFParams", "LIParams", "LeakyState", "li_initial", "li_step", "lif_initial", "lif_step"]


class LeakyState(NamedTuple):
    """The membrane."""

    v: Value


class LIParams(NamedTuple):
    """Parameters of a leaky integrator.

    Attributes:
        rate: the share of the way to its target that the membrane goes in a step: ``dt / tau`` under forward Euler,
            ``1 - exp(-dt / tau)`` where the equation is solved exactly with the input held over the step.
        r: resistance.
        v_leak: where the membrane rests.
    """

    rate: Value
    r: Value = 1.0
    v_leak: Value = 0.0


class LIFParams(NamedTuple):
    """Parameters of a leaky integrate-and-fire neuron: those of LI, and how it fires."""

    rate: Value
    r: Value
    v_leak: Value
    firing: Firing


def li_step(x: Value, state: LeakyState, params: LIParams, _ops: Ops) -> tuple[Value, LeakyState]:
    """NIR's LI: ``tau · dv/dt = (v_leak - v) + r · x``; the output is ``v``.

    One step: ``v ← v + rate · ((v_leak - v) + r · x)``. Source: Pedersen et al. 2024, Neuromorphic intermediate
    representation. With ``r = 1`` it is Norse's ``li_box_feed_forward_step``.
    """
    v = _integrated(state.v, x, params.rate, params.r, params.v_leak)
    return v, LeakyState(v)


def li_initial(params: LIParams) -> LeakyState:
    """At rest."""
    return LeakyState(params.v_leak)


def lif_step(x: Value, state: LeakyState, params: LIFParams, ops: Ops) -> tuple[Value, LeakyState]:
    """NIR's LIF: ``tau · dv/dt = (v_leak - v) + r · x``, fires above ``v_threshold``, is reset.

    One step: ``v ← v + rate · ((v_leak - v) + r · x)``, then ``firing.advance``. Source: as ``li_step``.
    """
    spikes, v = advance(state.v, lambda v: _integrated(v, x, params.rate, params.r, params.v_leak), params.firing, ops)
    return spikes, LeakyState(v)


def lif_initial(params: LIFParams) -> LeakyState:
    """At rest."""
    return LeakyState(params.v_leak)


def _integrated(v: Value, x: Value, rate: Value, r: Value, v_leak: Value) -> Value:
    return v + rate * ((v_leak - v) + r * x)
