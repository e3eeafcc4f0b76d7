"""Norse's LIF, LI and LIFBox: forward Euler with rates ``dt · tau_inv``, the input added to the current before it acts.

Sources: Norse 1.1, ``functional/{lif,leaky_integrator,lif_box}.py``; operations in its order. Its ``LIBox`` is NIR's LI
with ``r = 1`` (``leaky``), its IAF NIR's IF with a gain of 1 (``integrate``).
"""

from __future__ import annotations

from typing import NamedTuple

from edgeproof.spike.neurons.firing import Firing, advance
from edgeproof.spike.neurons.ops import Ops, Value

__all__ = [
    "BoxState",
    "NorseLIFBoxParams",
    "NorseLIFParams",
    "NorseLIParams",
    "NorseState",
    "norse_li_initial",
    "norse_li_step",
    "norse_lif_initial",
    "norse_lif_step",
    "norse_lifbox_initial",
    "norse_lifbox_step",
]


class NorseState(NamedTuple):
    """Membrane and synaptic current."""

    v: Value
    i: Value


class BoxState(NamedTuple):
    """The membrane."""

    v: Value


class NorseLIParams(NamedTuple):
    """Parameters of an LI.

    Attributes:
        rate_syn: ``dt · tau_syn_inv``, the product of two float32.
        rate_mem: ``dt · tau_mem_inv``, the product of two float32.
        v_leak: where the membrane rests.
    """

    rate_syn: Value
    rate_mem: Value
    v_leak: Value = 0.0


class NorseLIFParams(NamedTuple):
    """Parameters of an LIF: those of LI, and how it fires (``>``, ``zero``)."""

    rate_syn: Value
    rate_mem: Value
    v_leak: Value
    firing: Firing


class NorseLIFBoxParams(NamedTuple):
    """Parameters of an LIFBox: ``rate_mem`` and ``v_leak`` as of an LI, and how it fires (``>``)."""

    rate_mem: Value
    v_leak: Value
    firing: Firing


def norse_li_step(x: Value, state: NorseState, params: NorseLIParams, _ops: Ops) -> tuple[Value, NorseState]:
    """``i ← i + x``, ``v ← v + rate_mem · ((v_leak - v) + i)``, then ``i ← i - rate_syn · i``; the output is ``v``."""
    i = state.i + x
    v = state.v + params.rate_mem * ((params.v_leak - state.v) + i)
    return v, NorseState(v, i + -params.rate_syn * i)


def norse_li_initial(params: NorseLIParams) -> NorseState:
    """At rest, without current."""
    return NorseState(params.v_leak, 0.0)


def norse_lif_step(x: Value, state: NorseState, params: NorseLIFParams, ops: Ops) -> tuple[Value, NorseState]:
    """``i ← i + x``, ``v ← v + rate_mem · ((v_leak - v) + i)``, ``i ← i - rate_syn · i``; then fire and reset ``v``."""
    i = state.i + x
    spikes, v = advance(state.v, lambda v: v + params.rate_mem * ((params.v_leak - v) + i), params.firing, ops)
    return spikes, NorseState(v, i + -params.rate_syn * i)


def norse_lif_initial(params: NorseLIFParams) -> NorseState:
    """At rest, without current."""
    return NorseState(params.v_leak, 0.0)


def norse_lifbox_step(x: Value, state: BoxState, params: NorseLIFBoxParams, ops: Ops) -> tuple[Value, BoxState]:
    """``v ← v + rate_mem · ((x + v_leak) - v)``, then fire and reset."""
    spikes, v = advance(state.v, lambda v: v + params.rate_mem * ((x + params.v_leak) - v), params.firing, ops)
    return spikes, BoxState(v)


def norse_lifbox_initial(params: NorseLIFBoxParams) -> BoxState:
    """At rest."""
    return BoxState(params.v_leak)
