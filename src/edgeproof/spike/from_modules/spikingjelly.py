"""SpikingJelly's neurons in single-step mode, in its own discrete form (``neurons.spikingjelly``)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeproof.spike.from_modules.piece import Piece, Place, Reader, number, refuse, spikes_like
from edgeproof.spike.graph.primitives import Neuron
from edgeproof.spike.neurons.firing import Firing
from edgeproof.spike.neurons.integrate import IFParams
from edgeproof.spike.neurons.spikingjelly import CubaNodeParams, LIFNodeParams, PLIFNodeParams

__all__ = ["READERS"]

F = np.float32


def _if_node(place: Place) -> Piece:
    return Piece.of(Neuron("IF", IFParams(F(1), _firing(place))))


def _lif_node(place: Place) -> Piece:
    module = place.module
    firing = _firing(place)
    params = LIFNodeParams(number(place, module.tau), _rest(place), bool(module.decay_input), firing)
    return Piece.of(Neuron("spikingjelly.LIFNode", params))


def _parametric(place: Place) -> Piece:
    module = place.module
    rate = number(place, module.w.detach().sigmoid())
    params = PLIFNodeParams(rate, _rest(place), bool(module.decay_input), _firing(place))
    return Piece.of(Neuron("spikingjelly.ParametricLIFNode", params))


def _cuba(place: Place) -> Piece:
    decays = number(place, place.module.c_decay), number(place, place.module.v_decay)
    return Piece.of(Neuron("spikingjelly.CUBALIFNode", CubaNodeParams(*decays, _firing(place))))


def _firing(place: Place) -> Firing:
    """Fires at the threshold already; ``v_reset`` None is a reset by subtraction. At once, in both cases."""
    module = place.module
    if module.step_mode != "s":
        refuse(place, "is in multi-step mode", "set_step_mode(net, 's'), and let the module compute one time step")
    spikes_like(place, module.surrogate_function, ">=")
    threshold = number(place, module.v_threshold)
    if module.v_reset is None:
        return Firing(threshold, F(0), "subtract", 0, ">=")
    return Firing(threshold, number(place, module.v_reset), "zero", 0, ">=")


def _rest(place: Place) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return number(place, place.module.v_reset or 0.0)


READERS: Mapping[str, Reader] = {
    "IFNode": _if_node,
    "LIFNode": _lif_node,
    "ParametricLIFNode": _parametric,
    "CUBALIFNode": _cuba,
}
