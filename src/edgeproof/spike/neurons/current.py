"""Membranes behind a synaptic current that decays: NIR's CubaLI and CubaLIF."""

from __future__ import annotations

from typing import NamedTuple

from edgeproof.spike.neurons.firing import Firing, advance
from edgeproof.spike.neurons.ops import Ops, Value

__all__ = [
    "CubaLIFParams",
    "CubaLIParams",
    "CubaState",
    "cubali_initial",
    "cubali_step",
    "cubalif_initial",
    "cubalif_step",
]


class CubaState(NamedTuple):
    """The membrane, and the current that charges it."""

    v: Value
    i: Value


class CubaLIParams(NamedTuple):
    """Parameters of a current-based leaky integrator.

    Attributes:
        rate_syn: share of the way to its target that the current goes in a step (``dt / tau_syn``, or
            ``1 - exp(-dt / tau_syn)`` where it is solved exactly).
        rate_mem: the same of the membrane.
        r: resistance.
        v_leak: where the membrane rests.
        w_in: weight of the input.
    """

    rate_syn: Value
    rate_mem: Value
    r: Value = 1.0
    v_leak: Value = 0.0
    w_in: Value = 1.0


class CubaLIFParams(NamedTuple):
    """Parameters of a current-based leaky integrate-and-fire neuron: those of CubaLI, and how it fires."""

    rate_syn: Value
    rate_mem: Value
    r: Value
    v_leak: Value
    w_in: Value
    firing: Firing


def cubali_step(x: Value, state: CubaState, params: CubaLIParams, _ops: Ops) -> tuple[Value, CubaState]:
    """NIR's CubaLI: ``tau_syn · di/dt = -i + w_in · x`` and ``tau_mem · dv/dt = (v_leak - v) + r · i``; output ``v``.

    One step: ``i ← i + rate_syn · (w_in · x - i)``, then ``v ← v + rate_mem · ((v_leak - v) + r · i)`` with the new
    ``i``: the membrane sees an input in the step in which it comes. Source: Pedersen et al. 2024, Neuromorphic
    intermediate representation; the order is the one of Norse's and snnTorch's NIR importers.
    """
    i = state.i + params.rate_syn * (params.w_in * x - state.i)
    v = state.v + params.rate_mem * ((params.v_leak - state.v) + params.r * i)
    return v, CubaState(v, i)


def cubali_initial(params: CubaLIParams) -> CubaState:
    """At rest, without current."""
    return CubaState(params.v_leak, 0.0)


def cubalif_step(x: Value, state: CubaState, params: CubaLIFParams, ops: Ops) -> tuple[Value, CubaState]:
    """NIR's CubaLIF: the equations of CubaLI, fires above ``v_threshold``, is reset; a reset leaves the current alone.

    One step: as ``cubali_step``, then ``firing.advance``.
    """
    i = state.i + params.rate_syn * (params.w_in * x - state.i)
    spikes, v = advance(
        state.v,
        lambda v: v + params.rate_mem * ((params.v_leak - v) + params.r * i),
        params.firing,
        ops,
    )
    return spikes, CubaState(v, i)


def cubalif_initial(params: CubaLIFParams) -> CubaState:
    """At rest, without current."""
    return CubaState(params.v_leak, 0.0)
