"""From NIR's continuous parameters to those of a time step: rates, gains, steps of delay; rounded once, to float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.primitives import IF, LI, LIF, Array, CubaLI, CubaLIF, Delay, I, Neuron, Primitive, numbers
from edgeproof.spike.graph.semantics import Semantics
from edgeproof.spike.neurons.current import CubaLIFParams, CubaLIParams
from edgeproof.spike.neurons.firing import Firing
from edgeproof.spike.neurons.integrate import IFParams, IParams
from edgeproof.spike.neurons.leaky import LIFParams, LIParams
from edgeproof.spike.neurons.models import MODELS, NeuronModel

__all__ = ["MAX_DELAY_STEPS", "delay_steps", "is_stateful", "neuron_of"]

MAX_DELAY_STEPS = 100_000
_WHOLE = 1e-3
"""How far from a whole number of steps a delay may be, in steps: what float32 seconds cost."""


def is_stateful(node: Primitive) -> bool:
    """Whether a node is a neuron: it has a state, so a loop through it is a loop over time."""
    return isinstance(node, I | IF | LI | LIF | CubaLI | CubaLIF | Neuron)


def neuron_of(node: Primitive, semantics: Semantics, name: str) -> tuple[NeuronModel, Any]:
    """The model and its parameters, every number a float32 array.

    Raises:
        SpikeGraphError: the node is no neuron, or a time constant is not above zero.
    """
    if isinstance(node, Neuron):
        model, params = MODELS[node.model], node.params
    else:
        model, params = MODELS[type(node).__name__], _nir_params(node, semantics, name)
    with np.errstate(over="ignore"):
        rounded = _rounded(params)
    for part, values in numbers(rounded):
        if not np.all(np.isfinite(values)):
            raise SpikeGraphError(
                f"the {part} of the node {name!r} is beyond float32 in steps of {semantics.dt_s:g} s",
                hint="choose a dt that fits its time constants",
            )
    return model, rounded


def delay_steps(node: Delay, dt_s: float, name: str) -> Array:
    """A delay in whole steps, one number per element.

    Raises:
        SpikeGraphError: it is below zero, too long, or no whole number of steps.
    """
    steps = np.asarray(node.delay, np.float64) / dt_s
    whole = np.rint(steps)
    if steps.size and (whole.min() < 0 or whole.max() > MAX_DELAY_STEPS):
        raise SpikeGraphError(
            f"the delay {name!r} is between {whole.min():g} and {whole.max():g} steps of {dt_s:g} s; "
            f"expected 0 to {MAX_DELAY_STEPS}"
        )
    if np.any(np.abs(steps - whole) > _WHOLE):
        worst = steps.flat[int(np.argmax(np.abs(steps - whole)))]
        raise SpikeGraphError(
            f"the delay {name!r} is {worst:g} steps of {dt_s:g} s; expected a whole number",
            hint="choose a dt that divides it",
        )
    return whole.astype(np.int64)


def _nir_params(node: Primitive, semantics: Semantics, name: str) -> Any:
    if isinstance(node, I):
        return IParams(_gain(node.r, semantics))
    if isinstance(node, IF):
        return IFParams(_gain(node.r, semantics), _firing(node, semantics))
    if isinstance(node, LI):
        return LIParams(_rate(node.tau, semantics, name), node.r, node.v_leak)
    if isinstance(node, LIF):
        return LIFParams(_rate(node.tau, semantics, name), node.r, node.v_leak, _firing(node, semantics))
    if isinstance(node, CubaLI | CubaLIF):
        rates = _rate(node.tau_syn, semantics, name), _rate(node.tau_mem, semantics, name)
        if isinstance(node, CubaLI):
            return CubaLIParams(*rates, node.r, node.v_leak, node.w_in)
        return CubaLIFParams(*rates, node.r, node.v_leak, node.w_in, _firing(node, semantics))
    raise SpikeGraphError(f"the node {name!r} is a {type(node).__name__}, which is no neuron")


def _firing(node: IF | LIF | CubaLIF, semantics: Semantics) -> Firing:
    return Firing(node.v_threshold, node.v_reset, semantics.reset, semantics.reset_delay, semantics.threshold_operator)


def _gain(r: Array, semantics: Semantics) -> Array:
    return np.asarray(r, np.float64) * semantics.dt_s


def _rate(tau: Array, semantics: Semantics, name: str) -> Array:
    seconds = np.asarray(tau, np.float64)
    if seconds.size and not seconds.min() > 0:
        raise SpikeGraphError(f"a time constant of the node {name!r} is {seconds.min():g} s; expected more than zero")
    with np.errstate(over="ignore"):
        steps = semantics.dt_s / seconds
    rate: Array = -np.expm1(-steps) if semantics.integration == "exponential" else steps
    return rate


def _rounded(value: Any) -> Any:
    """Parameters with every number in them as a float32 array; rules and flags as they are."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_rounded, value))
    if isinstance(value, np.ndarray | float | np.floating):
        return np.asarray(value, np.float32)
    return value
