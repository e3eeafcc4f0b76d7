"""Norse's cells, which compute one time step, in its own discrete form (``neurons.norse``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeproof.spike.from_modules.piece import Piece, Place, Reader, dense, number, refuse, spikes_like
from edgeproof.spike.graph.primitives import Array, Neuron
from edgeproof.spike.neurons.adaptive import LSNNParams
from edgeproof.spike.neurons.firing import Firing
from edgeproof.spike.neurons.integrate import IFParams
from edgeproof.spike.neurons.leaky import LIParams
from edgeproof.spike.neurons.norse import NorseLIFBoxParams, NorseLIFParams, NorseLIParams

__all__ = ["READERS"]

F = np.float32


def _lif(place: Place) -> Piece:
    return Piece.of(_lif_neuron(place))


def _lif_recurrent(place: Place) -> Piece:
    return _looped(place, _lif_neuron(place))


def _lif_neuron(place: Place) -> Neuron:
    p = place.module.p
    rates = _rate(place, p.tau_syn_inv), _rate(place, p.tau_mem_inv)
    return Neuron("norse.LIF", NorseLIFParams(*rates, number(place, p.v_leak), _firing(place, "zero")))


def _lif_box(place: Place) -> Piece:
    from norse.torch.functional import reset

    p = place.module.p
    rules: dict[Any, Any] = {reset.reset_value: "zero", reset.reset_subtract: "subtract"}
    if p.reset_method not in rules:
        refuse(place, "resets by a function of its own", "use norse.torch.functional.reset")
    firing = _firing(place, rules[p.reset_method])
    params = NorseLIFBoxParams(_rate(place, p.tau_mem_inv), number(place, p.v_leak), firing)
    return Piece.of(Neuron("norse.LIFBox", params))


def _li(place: Place) -> Piece:
    return Piece.of(_li_neuron(place))


def _li_linear(place: Place) -> Piece:
    layer = dense(place.module.input_weights)
    return Piece({"input_weights": layer, "": _li_neuron(place)}, (("input_weights", ""),), entry="input_weights")


def _li_neuron(place: Place) -> Neuron:
    p = place.module.p
    rates = _rate(place, p.tau_syn_inv), _rate(place, p.tau_mem_inv)
    return Neuron("norse.LI", NorseLIParams(*rates, number(place, p.v_leak)))


def _li_box(place: Place) -> Piece:
    p = place.module.p
    return Piece.of(Neuron("LI", LIParams(_rate(place, p.tau_mem_inv), F(1), number(place, p.v_leak))))


def _iaf(place: Place) -> Piece:
    return Piece.of(Neuron("IF", IFParams(F(1), _firing(place, "zero"))))


def _lsnn(place: Place) -> Piece:
    return Piece.of(_lsnn_neuron(place))


def _lsnn_recurrent(place: Place) -> Piece:
    return _looped(place, _lsnn_neuron(place))


def _lsnn_neuron(place: Place) -> Neuron:
    p = place.module.p
    firing = _firing(place, "zero")
    rates = _rate(place, p.tau_syn_inv), _rate(place, p.tau_mem_inv), _rate(place, p.tau_adapt_inv)
    params = LSNNParams(*rates, number(place, p.v_leak), firing.v_threshold, firing.v_reset, number(place, p.beta))
    return Neuron("norse.LSNN", params)


def _firing(place: Place, rule: Any) -> Firing:
    from norse.torch.functional.threshold import threshold

    p = place.module.p
    spikes_like(place, lambda x: threshold(x, p.method, p.alpha), ">")
    return Firing(number(place, p.v_th), number(place, p.v_reset), rule)


def _rate(place: Place, inverse: Any) -> Array:
    """The product of two float32, as the library takes it."""
    rate: Array = F(place.module.dt) * number(place, inverse)
    return rate


def _looped(place: Place, neuron: Neuron) -> Piece:
    into, back = dense(place.module.input_weights), dense(place.module.recurrent_weights)
    return Piece(
        {"input_weights": into, "": neuron, "recurrent_weights": back},
        (("input_weights", ""), ("recurrent_weights", ""), ("", "recurrent_weights")),
        entry="input_weights",
    )


READERS: Mapping[str, Reader] = {
    "LIFCell": _lif,
    "LIFRecurrentCell": _lif_recurrent,
    "LIFBoxCell": _lif_box,
    "LICell": _li,
    "LILinearCell": _li_linear,
    "LIBoxCell": _li_box,
    "IAFCell": _iaf,
    "LSNNCell": _lsnn,
    "LSNNRecurrentCell": _lsnn_recurrent,
}
