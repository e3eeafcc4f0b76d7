"""Neurons whose threshold rises with their own spikes: ALIF, and Norse's LSNN form of it."""

from __future__ import annotations

from typing import NamedTuple

from edgeproof.spike.neurons.firing import Firing, advance
from edgeproof.spike.neurons.ops import Ops, Value

__all__ = [
    "ALIFParams",
    "ALIFState",
    "LSNNParams",
    "LSNNState",
    "alif_initial",
    "alif_step",
    "lsnn_initial",
    "lsnn_step",
]


class ALIFState(NamedTuple):
    """Membrane, and by how much the threshold has risen (before it is scaled)."""

    v: Value
    b: Value


class LSNNState(NamedTuple):
    """Membrane, synaptic current and threshold."""

    v: Value
    i: Value
    b: Value


class ALIFParams(NamedTuple):
    """Parameters of an adaptive leaky integrate-and-fire neuron.

    Attributes:
        alpha: what is left of the membrane after a step, ``exp(-dt / tau_mem)``.
        rho: what is left of the adaptation after a step, ``exp(-dt / tau_adapt)``.
        beta: how much of the adaptation is added to the threshold.
        firing: ``v_threshold`` is the one without adaptation.
    """

    alpha: Value
    rho: Value
    beta: Value
    firing: Firing


class LSNNParams(NamedTuple):
    """Parameters of Norse's LSNN neuron.

    Attributes:
        rate_syn: ``dt · tau_syn_inv``, the product of two float32.
        rate_mem: ``dt · tau_mem_inv``, the same.
        rate_adapt: ``dt · tau_adapt_inv``, the same.
        v_leak: where the membrane rests.
        v_threshold: where the threshold goes back to.
        v_reset: what the membrane is set to.
        beta: by how much a spike raises the threshold.
    """

    rate_syn: Value
    rate_mem: Value
    rate_adapt: Value
    v_leak: Value
    v_threshold: Value
    v_reset: Value
    beta: Value


def alif_step(x: Value, state: ALIFState, params: ALIFParams, ops: Ops) -> tuple[Value, ALIFState]:
    """``v ← alpha · v + x``; fires against ``v_threshold + beta · b``; then ``b ← rho · b + (1 - rho) · spike``.

    Source: Bellec et al. 2018, Long short-term memory and learning-to-learn in networks of spiking neurons, with the
    factor of the input left to the weights. ``subtract`` takes the risen threshold off, as their equation does.
    """
    firing = params.firing._replace(v_threshold=params.firing.v_threshold + params.beta * state.b)
    spikes, v = advance(state.v, lambda v: params.alpha * v + x, firing, ops)
    return spikes, ALIFState(v, params.rho * state.b + (1.0 - params.rho) * spikes)


def alif_initial(_params: ALIFParams) -> ALIFState:
    """Zero, without adaptation."""
    return ALIFState(0.0, 0.0)


def lsnn_step(x: Value, state: LSNNState, params: LSNNParams, ops: Ops) -> tuple[Value, LSNNState]:
    """``v ← v + rate_mem · ((v_leak - v) + i)``, ``i ← i - rate_syn · i``, ``b ← b + rate_adapt · (v_threshold - b)``;
    fires if ``v > b``; then ``v ← v_reset`` and ``b ← b + beta`` where it fired, and ``i ← i + x``.

    An input acts one step after it comes. Source: Norse 1.1, ``functional/lsnn.py``, ``lsnn_feed_forward_step``.
    """
    v = state.v + params.rate_mem * ((params.v_leak - state.v) + state.i)
    i = state.i + -params.rate_syn * state.i
    b = state.b + params.rate_adapt * (params.v_threshold - state.b)
    fired = v - b > 0.0
    spikes = ops.cast(fired)
    return spikes, LSNNState(ops.where(fired, params.v_reset, v), i + x, b + spikes * params.beta)


def lsnn_initial(params: LSNNParams) -> LSNNState:
    """At rest, without current, the threshold where it goes back to."""
    return LSNNState(params.v_leak, 0.0, params.v_threshold)
