"""snnTorch's Leaky, Synaptic and Alpha in the discrete form in which that library computes them.

Sources: snnTorch 1.0, ``_neurons/{leaky,synaptic,alpha}.py``; the operations stand in its order, so that float32 rounds
alike. snnTorch fires above the threshold (``>``). With its ``reset_delay`` the membrane that fired is reset in the next
step, by the membrane that step begins with; without it, at once. Its ``inhibition`` and ``state_quant`` have no
counterpart here.
"""

from __future__ import annotations

from typing import NamedTuple

from edgeproof.spike.neurons.firing import ResetRule
from edgeproof.spike.neurons.ops import Ops, Value

__all__ = [
    "AlphaParams",
    "AlphaState",
    "DiscreteState",
    "LeakyParams",
    "SynapticParams",
    "SynapticState",
    "alpha_initial",
    "alpha_step",
    "leaky_initial",
    "leaky_step",
    "synaptic_initial",
    "synaptic_step",
]


class DiscreteState(NamedTuple):
    """The membrane of a Leaky."""

    v: Value


class SynapticState(NamedTuple):
    """Membrane and synaptic current."""

    v: Value
    i: Value


class AlphaState(NamedTuple):
    """Membrane, excitatory and inhibitory current."""

    v: Value
    excitatory: Value
    inhibitory: Value


class LeakyParams(NamedTuple):
    """Parameters of a Leaky.

    Attributes:
        beta: what is left of the membrane after a step, in [0, 1] (snnTorch clamps it, so an importer must).
        v_threshold: where it fires.
        reset: the library's ``reset_mechanism``.
        reset_delay: the library's flag, 1 for its default.
        graded: what a spike counts for, ``graded_spikes_factor``.
        clears_input: whether ``zero`` drops the input of its step too, as RLeaky does and Leaky does not.
    """

    beta: Value
    v_threshold: Value = 1.0
    reset: ResetRule = "subtract"
    reset_delay: int = 1
    graded: Value = 1.0
    clears_input: bool = False


class SynapticParams(NamedTuple):
    """Parameters of a Synaptic: ``alpha`` is what is left of the current after a step; the rest as of a Leaky."""

    alpha: Value
    beta: Value
    v_threshold: Value = 1.0
    reset: ResetRule = "subtract"
    reset_delay: int = 1


class AlphaParams(NamedTuple):
    """Parameters of an Alpha.

    Attributes:
        alpha: what is left of the excitatory current after a step; greater than ``beta``.
        beta: what is left of the inhibitory current after a step.
        gain: ``ln(alpha) / (ln(beta) - ln(alpha)) + 1``, in float32.
        v_threshold: where it fires.
        reset: the library's ``reset_mechanism``; always one step late.
    """

    alpha: Value
    beta: Value
    gain: Value
    v_threshold: Value = 1.0
    reset: ResetRule = "zero"


def leaky_step(x: Value, state: DiscreteState, params: LeakyParams, ops: Ops) -> tuple[Value, DiscreteState]:
    """``v ← beta · v + x - owed · v_threshold`` (subtract), or ``v ← beta · (1 - owed) · v + x`` (zero).

    ``owed`` is 1 if the membrane is above the threshold when the step begins. It fires if it is above it afterwards.

    Without ``reset_delay`` the reset of this step is applied as well, less the one that was owed.
    """
    owed = ops.cast(state.v > params.v_threshold)
    if params.reset == "subtract":
        v = (params.beta * state.v + x) - owed * params.v_threshold
    elif params.reset == "zero" and params.clears_input:
        v = params.beta * state.v + x
        v = v - owed * v
    elif params.reset == "zero":
        v = params.beta * ((1.0 - owed) * state.v) + x
    else:
        v = params.beta * state.v + x
    spikes = ops.cast(v > params.v_threshold)
    return spikes * params.graded, DiscreteState(_settled(v, spikes, owed, params))


def leaky_initial(_params: LeakyParams) -> DiscreteState:
    """Zero."""
    return DiscreteState(0.0)


def synaptic_step(x: Value, state: SynapticState, params: SynapticParams, ops: Ops) -> tuple[Value, SynapticState]:
    """``i ← alpha · i + x``, ``v ← beta · v + i``; where a reset is owed, minus ``v_threshold`` (subtract) or minus all
    of it (zero: after integration, unlike Leaky). A reset leaves the current alone.
    """
    owed = ops.cast(state.v > params.v_threshold)
    i = params.alpha * state.i + x
    v = params.beta * state.v + i
    if params.reset == "subtract":
        v = v - owed * params.v_threshold
    elif params.reset == "zero":
        v = v - v * owed
    spikes = ops.cast(v > params.v_threshold)
    return spikes, SynapticState(_settled(v, spikes, owed, params), i)


def synaptic_initial(_params: SynapticParams) -> SynapticState:
    """Zero."""
    return SynapticState(0.0, 0.0)


def alpha_step(x: Value, state: AlphaState, params: AlphaParams, ops: Ops) -> tuple[Value, AlphaState]:
    """``e ← alpha · e + x``, ``h ← beta · h - x``, ``v ← gain · (e + h)``; fires above the threshold.

    Where a reset is owed from the step before: zero clears all three; subtract takes ``v_threshold`` off ``e``, clears
    ``h``, and adds the old ``h`` to ``v``, as the library does.
    """
    owed = ops.cast(state.v > params.v_threshold)
    excitatory = params.alpha * state.excitatory + x
    inhibitory = params.beta * state.inhibitory - x
    v = params.gain * (excitatory + inhibitory)
    if params.reset == "subtract":
        excitatory = excitatory - params.v_threshold * owed
        inhibitory = inhibitory - inhibitory * owed
        v = v + state.inhibitory * owed
    elif params.reset == "zero":
        excitatory = excitatory - excitatory * owed
        inhibitory = inhibitory - inhibitory * owed
        v = v - v * owed
    return ops.cast(v > params.v_threshold), AlphaState(v, excitatory, inhibitory)


def alpha_initial(_params: AlphaParams) -> AlphaState:
    """Zero."""
    return AlphaState(0.0, 0.0, 0.0)


def _settled(v: Value, spikes: Value, owed: Value, params: LeakyParams | SynapticParams) -> Value:
    """The membrane after a reset without delay. ``spikes - owed`` is the library's: it is -1, and gives back a reset,
    where a membrane that was still above the threshold after its reset has fallen below it."""
    if params.reset_delay or params.reset == "none":
        return v
    due = spikes - owed
    return v - due * params.v_threshold if params.reset == "subtract" else v - due * v
