"""SpikingJelly's LIF, parametric LIF and CUBA-LIF: charge, fire at or above the threshold, reset at once.

Sources: SpikingJelly 2.0, ``_ops/lif/cpu.py``, ``_ops/plif/reference.py``, ``functional.cuba_lif_step``; operations in
its order. Its ``IFNode`` is NIR's IF with a gain of 1 (``integrate``).
"""

from __future__ import annotations

from typing import NamedTuple

from edgeproof.spike.neurons.firing import Firing, advance
from edgeproof.spike.neurons.ops import Ops, Value

__all__ = [
    "ChargeState",
    "CubaNodeParams",
    "CubaNodeState",
    "LIFNodeParams",
    "PLIFNodeParams",
    "cuba_node_initial",
    "cuba_node_step",
    "lif_node_initial",
    "lif_node_step",
    "plif_node_initial",
    "plif_node_step",
]


class ChargeState(NamedTuple):
    """The membrane."""

    v: Value


class CubaNodeState(NamedTuple):
    """Membrane and synaptic current."""

    v: Value
    i: Value


class LIFNodeParams(NamedTuple):
    """Parameters of a LIFNode.

    Attributes:
        tau: time constant in steps, above 1.
        v_rest: the library's ``v_reset``, or 0 where that is None.
        decay_input: whether the input is divided by ``tau`` too.
        firing: operator ``>=``; ``zero`` where ``v_reset`` is a number, ``subtract`` where it is None.
    """

    tau: Value
    v_rest: Value
    decay_input: bool
    firing: Firing


class PLIFNodeParams(NamedTuple):
    """Parameters of a ParametricLIFNode: ``rate`` is the sigmoid of its weight; the rest as of a LIFNode."""

    rate: Value
    v_rest: Value
    decay_input: bool
    firing: Firing


class CubaNodeParams(NamedTuple):
    """Parameters of a CUBALIFNode: what is left of current and membrane after a step, and how it fires."""

    current_decay: Value
    voltage_decay: Value
    firing: Firing


def lif_node_step(x: Value, state: ChargeState, params: LIFNodeParams, ops: Ops) -> tuple[Value, ChargeState]:
    """``v ← v + (x - (v - v_rest)) / tau``, or without ``decay_input`` ``v ← v - (v - v_rest) / tau + x``."""

    def charge(v: Value) -> Value:
        if params.decay_input:
            return v + (x - (v - params.v_rest)) / params.tau
        return (v - (v - params.v_rest) / params.tau) + x

    spikes, v = advance(state.v, charge, params.firing, ops)
    return spikes, ChargeState(v)


def lif_node_initial(params: LIFNodeParams) -> ChargeState:
    """At rest."""
    return ChargeState(params.v_rest)


def plif_node_step(x: Value, state: ChargeState, params: PLIFNodeParams, ops: Ops) -> tuple[Value, ChargeState]:
    """``v ← v + (x - (v - v_rest)) · rate``, or without ``decay_input`` ``v ← v - (v - v_rest) · rate + x``."""

    def charge(v: Value) -> Value:
        if params.decay_input:
            return v + (x - (v - params.v_rest)) * params.rate
        return (v - (v - params.v_rest) * params.rate) + x

    spikes, v = advance(state.v, charge, params.firing, ops)
    return spikes, ChargeState(v)


def plif_node_initial(params: PLIFNodeParams) -> ChargeState:
    """At rest."""
    return ChargeState(params.v_rest)


def cuba_node_step(x: Value, state: CubaNodeState, params: CubaNodeParams, ops: Ops) -> tuple[Value, CubaNodeState]:
    """``i ← i · current_decay + x``, ``v ← v · voltage_decay + i``."""
    i = state.i * params.current_decay + x
    spikes, v = advance(state.v, lambda v: v * params.voltage_decay + i, params.firing, ops)
    return spikes, CubaNodeState(v, i)


def cuba_node_initial(params: CubaNodeParams) -> CubaNodeState:
    """The membrane as after a reset, without current."""
    return CubaNodeState(params.firing.v_reset, 0.0)
