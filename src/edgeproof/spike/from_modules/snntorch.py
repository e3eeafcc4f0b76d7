"""snnTorch's neurons, in its own discrete form (``neurons.discrete``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeproof.spike.from_modules.layers import READERS as LAYERS
from edgeproof.spike.from_modules.piece import Fold, Piece, Place, Reader, number, refuse, spikes_like
from edgeproof.spike.graph.primitives import Neuron, Primitive, Scale
from edgeproof.spike.neurons.discrete import AlphaParams, LeakyParams, SynapticParams

__all__ = ["READERS"]


def _leaky(place: Place) -> Piece:
    return Piece.of(Neuron("snntorch.Leaky", _leaky_params(place)))


def _rleaky(place: Place) -> Piece:
    """A reset to zero takes the input of its step too. It adds the recurrent current to ``β·v + x``, we to x."""
    return _looped(place, Neuron("snntorch.Leaky", _leaky_params(place)._replace(clears_input=True)))


def _leaky_params(place: Place) -> LeakyParams:
    module = place.module
    rule, delay = _rules(place)
    graded = number(place, module.graded_spikes_factor)
    return LeakyParams(_share(place, module.beta), number(place, module.threshold), rule, delay, graded)


def _synaptic(place: Place) -> Piece:
    return Piece.of(Neuron("snntorch.Synaptic", _synaptic_params(place)))


def _rsynaptic(place: Place) -> Piece:
    return _looped(place, Neuron("snntorch.Synaptic", _synaptic_params(place)))


def _synaptic_params(place: Place) -> SynapticParams:
    module = place.module
    rule, delay = _rules(place)
    if np.any(number(place, module.graded_spikes_factor) != 1):
        refuse(place, "gives graded spikes")
    shares = _share(place, module.alpha), _share(place, module.beta)
    return SynapticParams(*shares, number(place, module.threshold), rule, delay)


def _alpha(place: Place) -> Piece:
    import torch

    module = place.module
    rule, delay = _rules(place)
    if delay != 1:
        refuse(place, "resets at once", "its reset is known with reset_delay=True only")
    with torch.no_grad():
        alpha, beta = (decay.clamp(0, 1) for decay in (module.alpha, module.beta))
        gain = torch.log(alpha) / (torch.log(beta) - torch.log(alpha)) + 1
    shares = number(place, alpha), number(place, beta), number(place, gain)
    return Piece.of(Neuron("snntorch.Alpha", AlphaParams(*shares, number(place, module.threshold), rule)))


def _rules(place: Place) -> tuple[Any, int]:
    module = place.module
    if module.inhibition or module.state_quant:
        refuse(place, "uses inhibition or state_quant, which have no counterpart here")
    spikes_like(place, module.spike_grad, ">")
    return module._reset_mechanism, int(bool(getattr(module, "reset_delay", True)))


def _share(place: Place, value: Any) -> Any:
    return np.clip(number(place, value), np.float32(0), np.float32(1))


def _looped(place: Place, neuron: Neuron) -> Piece:
    """The neuron with the layer that its spikes come back through, one step later."""
    recurrent = place.module.recurrent
    back: Primitive
    if type(recurrent).__name__ == "RecurrentOneToOne":
        back = Scale(np.broadcast_to(number(place, recurrent.V), place.made).copy())
    else:
        inner = Place(f"{place.name}.recurrent", recurrent, place.made, place.made)
        reader = LAYERS.get(type(recurrent).__name__)
        found = reader(inner) if reader else None
        if found is None or isinstance(found, Fold):
            refuse(inner, "is no layer that is known in a loop")
        back = found.nodes[""]
    return Piece({"": neuron, "recurrent": back}, (("recurrent", ""), ("", "recurrent")))


READERS: Mapping[str, Reader] = {
    "Leaky": _leaky,
    "RLeaky": _rleaky,
    "Synaptic": _synaptic,
    "RSynaptic": _rsynaptic,
    "Alpha": _alpha,
}
