"""Neurons in a library's own form as NIR's primitives, where one computes the same in real numbers.

NIR has one set of rules for a whole graph here (``semantics``), so neurons that reset or fire by different rules cannot
stand in one file. Where there is no counterpart, the error names the neuron and what is in the way. In float32 the
forms round differently: ``v + k · ((v_leak - v) + r · x)`` is ``β · v + x`` up to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.network import Edge, Network, Node, flattened
from edgeproof.spike.graph.primitives import IF, LI, LIF, Array, CubaLI, CubaLIF, Neuron, Primitive, Scale, Shape
from edgeproof.spike.graph.semantics import Semantics
from edgeproof.spike.graph.structure import analyse
from edgeproof.spike.neurons.firing import Firing, Operator, ResetRule

__all__ = ["NirVersion", "as_nir"]


@dataclass(frozen=True)
class NirVersion:
    """A network of NIR's primitives.

    Attributes:
        network: on one level, with the rules of its neurons as semantics.
        choices: what was chosen for each neuron, in words.
    """

    network: Network
    choices: tuple[str, ...]


@dataclass(frozen=True)
class _Rules:
    """How a neuron fires."""

    reset: ResetRule
    delay: int
    operator: Operator


@dataclass(frozen=True)
class _Found:
    node: Primitive
    rules: _Rules | None
    said: str
    graded: Array | None = None


class _Neuron:
    """One neuron, the shape of its output, and the length of a step."""

    def __init__(self, name: str, neuron: Neuron, shape: Shape, dt_s: float) -> None:
        self.name, self.params, self.shape, self.dt_s = name, neuron.params, shape, dt_s
        self.model = neuron.model

    def refuse(self, why: str, hint: str | None = None) -> NoReturn:
        raise SpikeGraphError(
            f"the neuron {self.name!r} ({self.model}) has no counterpart in NIR: {why}",
            hint=hint or "ship it with its own engine, which needs no NIR file",
        )

    def full(self, value: Any) -> Array:
        """Of the neuron's shape, as NIR wants it; float64 keeps what float32 says."""
        return np.broadcast_to(np.asarray(value, np.float32).astype(np.float64), self.shape).copy()

    def tau(self, rate: Array, what: str) -> Array:
        """The time constant of a share per step."""
        if not np.all(rate > 0):
            self.refuse(f"its {what} leaks {rate.min():g} of the way per step, which is no time constant")
        return self.dt_s / rate

    def rules(self, firing: Firing) -> _Rules:
        return _Rules(firing.reset, firing.reset_delay, firing.operator)


def as_nir(network: Network) -> NirVersion:
    """Replace every neuron in a library's form by NIR's primitive.

    Raises:
        SpikeGraphError: the network cannot run, or a neuron has no counterpart or rules of its own.
    """
    structure = analyse(network)
    flat = flattened(network)
    dt_s = flat.semantics.dt_s
    nodes: dict[str, Node] = {}
    edges: tuple[Edge, ...] = flat.edges
    rules: dict[str, _Rules] = {}
    choices: list[str] = []
    for name, node in flat.nodes.items():
        if not isinstance(node, Neuron):
            nodes[name] = node
            continue
        neuron = _Neuron(name, node, structure.shapes[name], dt_s)
        if node.model not in _FORMS:
            neuron.refuse("its equations are none of NIR's")
        found = _FORMS[node.model](neuron)
        nodes[name] = found.node
        if found.rules is not None:
            rules[name] = found.rules
        choices.append(f"{name}: {node.model} as {type(found.node).__name__}, {found.said}")
        if found.graded is not None:
            nodes[f"{name}.graded"] = Scale(found.graded)
            edges = (
                *((f"{name}.graded" if source == name else source, target) for source, target in edges),
                (name, f"{name}.graded"),
            )
            choices.append(f"{name}.graded: what a spike counts for, as a Scale")
    return NirVersion(Network(nodes, edges, _semantics(flat.semantics, rules)), tuple(choices))


def _semantics(given: Semantics, rules: Mapping[str, _Rules]) -> Semantics:
    """The one set of rules that all neurons have."""
    if not rules:
        return given
    first = next(iter(rules))
    for name, rule in rules.items():
        if rule != rules[first]:
            raise SpikeGraphError(
                f"the neuron {first!r} resets by {_said(rules[first])}, and {name!r} by {_said(rule)}; a graph has one "
                "rule for all its neurons",
                hint="give them the same reset, delay and threshold operator, or ship the model in another format",
            )
    shared = rules[first]
    return replace(
        given, reset=shared.reset, reset_delay=shared.delay, threshold_operator=shared.operator, integration="euler"
    )


def _said(rule: _Rules) -> str:
    late = " one step later" if rule.delay and rule.reset != "none" else ""
    return f"{rule.reset}{late}, at v {rule.operator} threshold"


def _if(neuron: _Neuron) -> _Found:
    p = neuron.params
    threshold, v_reset = neuron.full(p.firing.v_threshold), neuron.full(p.firing.v_reset)
    node = IF(neuron.full(p.gain) / neuron.dt_s, threshold, v_reset)
    return _Found(node, neuron.rules(p.firing), f"r = gain / dt for dt = {neuron.dt_s:g} s")


def _li(neuron: _Neuron) -> _Found:
    p = neuron.params
    rate = neuron.full(p.rate)
    return _Found(LI(neuron.tau(rate, "membrane"), neuron.full(p.r), neuron.full(p.v_leak)), None, "tau = dt / rate")


def _lif(neuron: _Neuron) -> _Found:
    p = neuron.params
    return _leaking(neuron, neuron.full(p.rate), neuron.full(p.r), neuron.full(p.v_leak), p.firing, "tau = dt / rate")


def _leaking(neuron: _Neuron, rate: Array, r: Array, v_leak: Array, firing: Firing, said: str) -> _Found:
    threshold, v_reset = neuron.full(firing.v_threshold), neuron.full(firing.v_reset)
    tau = neuron.tau(rate, "membrane")
    return _Found(LIF(tau, r, v_leak, threshold, v_reset), neuron.rules(firing), said)


def _snntorch_leaky(neuron: _Neuron) -> _Found:
    p = neuron.params
    if p.clears_input and p.reset == "zero" and p.reset_delay:
        neuron.refuse("its reset to zero drops the input of that step too", "use reset_mechanism='subtract'")
    firing = _snntorch_firing(neuron)
    beta = neuron.full(p.beta)
    graded = None if np.all(np.asarray(p.graded) == 1) else neuron.full(p.graded)
    if np.all(beta == 1):
        threshold, v_reset = neuron.full(firing.v_threshold), neuron.full(0)
        node = IF(np.full(neuron.shape, 1 / neuron.dt_s), threshold, v_reset)
        return _Found(node, neuron.rules(firing), "it does not leak; r = 1 / dt", graded)
    found = _leaking(neuron, 1 - beta, 1 / (1 - beta), neuron.full(0), firing, "tau = dt / (1 - beta), r = tau / dt")
    return replace(found, graded=graded)


def _snntorch_synaptic(neuron: _Neuron) -> _Found:
    p = neuron.params
    if p.reset == "zero" and p.reset_delay:
        neuron.refuse("its late reset to zero drops the input of that step too", "use reset_mechanism='subtract'")
    return _current(neuron, 1 - neuron.full(p.alpha), 1 - neuron.full(p.beta), _snntorch_firing(neuron), "1 - alpha")


def _snntorch_firing(neuron: _Neuron) -> Firing:
    """Above the threshold. Without ``reset_delay``, a reset must leave the membrane below it to be NIR's."""
    p = neuron.params
    if p.reset == "subtract" and not p.reset_delay:
        neuron.refuse(
            "with reset_delay=False a membrane that is still above its threshold after a reset owes none, where NIR's "
            "equations reset it again",
            "use reset_delay=True, or reset_mechanism='zero'",
        )
    if p.reset == "zero" and np.any(np.asarray(p.v_threshold) < 0):
        neuron.refuse("it is reset to zero, above its threshold")
    return Firing(p.v_threshold, np.float32(0), p.reset, p.reset_delay if p.reset != "none" else 0, ">")


def _current(neuron: _Neuron, syn: Array, mem: Array, firing: Firing, said: str) -> _Found:
    """A current that is added to, and a membrane that adds it, both scaled back from their time constants."""
    tau_syn, tau_mem = neuron.tau(syn, "current"), neuron.tau(mem, "membrane")
    threshold, v_reset = neuron.full(firing.v_threshold), neuron.full(firing.v_reset)
    node = CubaLIF(tau_syn, tau_mem, 1 / mem, neuron.full(0), threshold, v_reset, 1 / syn)
    words = f"tau_syn = dt / ({said}), w_in = tau_syn / dt, and the membrane likewise"
    return _Found(node, neuron.rules(firing), words)


def _spikingjelly_lif(neuron: _Neuron) -> _Found:
    p = neuron.params
    rate = 1 / neuron.full(p.tau)
    return _spikingjelly(neuron, rate, "tau in seconds is tau · dt")


def _spikingjelly_plif(neuron: _Neuron) -> _Found:
    return _spikingjelly(neuron, neuron.full(neuron.params.rate), "tau = dt / sigmoid(w)")


def _spikingjelly(neuron: _Neuron, rate: Array, said: str) -> _Found:
    p = neuron.params
    r = np.ones(neuron.shape) if p.decay_input else 1 / rate
    words = said if p.decay_input else f"{said}, r = tau / dt, as decay_input is False"
    return _leaking(neuron, rate, r, neuron.full(p.v_rest), p.firing, words)


def _spikingjelly_cuba(neuron: _Neuron) -> _Found:
    p = neuron.params
    if p.firing.reset == "zero" and np.any(np.asarray(p.firing.v_reset) != 0):
        neuron.refuse("it begins at v_reset, and leaks to zero", "use v_reset=0.0 or None")
    decays = 1 - neuron.full(p.current_decay), 1 - neuron.full(p.voltage_decay)
    return _current(neuron, *decays, p.firing, "1 - c_decay")


def _norse_lif(neuron: _Neuron) -> _Found:
    p = neuron.params
    syn, mem = neuron.full(p.rate_syn), neuron.full(p.rate_mem)
    tau_syn, tau_mem = neuron.tau(syn, "current"), neuron.tau(mem, "membrane")
    threshold, v_reset = neuron.full(p.firing.v_threshold), neuron.full(p.firing.v_reset)
    resistance, v_leak = np.ones(neuron.shape), neuron.full(p.v_leak)
    node = CubaLIF(tau_syn, tau_mem, resistance, v_leak, threshold, v_reset, 1 / syn)
    return _Found(node, neuron.rules(p.firing), "w_in = tau_syn / dt: the input is added to the current whole")


def _norse_li(neuron: _Neuron) -> _Found:
    p = neuron.params
    syn, mem = neuron.full(p.rate_syn), neuron.full(p.rate_mem)
    tau_syn, tau_mem = neuron.tau(syn, "current"), neuron.tau(mem, "membrane")
    node = CubaLI(tau_syn, tau_mem, np.ones(neuron.shape), neuron.full(p.v_leak), 1 / syn)
    return _Found(node, None, "w_in = tau_syn / dt: the input is added to the current whole")


def _norse_lif_box(neuron: _Neuron) -> _Found:
    p = neuron.params
    resistance, v_leak = np.ones(neuron.shape), neuron.full(p.v_leak)
    return _leaking(neuron, neuron.full(p.rate_mem), resistance, v_leak, p.firing, "tau = 1 / tau_mem_inv")


_FORMS: Mapping[str, Callable[[_Neuron], _Found]] = {
    "IF": _if,
    "LI": _li,
    "LIF": _lif,
    "snntorch.Leaky": _snntorch_leaky,
    "snntorch.Synaptic": _snntorch_synaptic,
    "spikingjelly.LIFNode": _spikingjelly_lif,
    "spikingjelly.ParametricLIFNode": _spikingjelly_plif,
    "spikingjelly.CUBALIFNode": _spikingjelly_cuba,
    "norse.LI": _norse_li,
    "norse.LIF": _norse_lif,
    "norse.LIFBox": _norse_lif_box,
}
