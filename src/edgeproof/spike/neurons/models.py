"""The neuron models by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edgeproof.spike.neurons import adaptive, current, discrete, integrate, izhikevich, leaky, norse, spikingjelly

__all__ = ["MODELS", "NeuronModel"]


@dataclass(frozen=True)
class NeuronModel:
    """A neuron model.

    Attributes:
        name: NIR's name of the primitive, or ``library.Class`` for a library's own form.
        params: the NamedTuple that ``step`` takes.
        step: ``(input, state, params, ops) -> (output, state)``.
        initial: the state before the first step, each part a number or of a parameter's shape.
        spikes: whether the output is spikes; else it is the membrane, the state's ``v``.
    """

    name: str
    params: type[Any]
    step: Callable[..., tuple[Any, Any]]
    initial: Callable[[Any], Any]
    spikes: bool = True


_ALL = (
    NeuronModel("I", integrate.IParams, integrate.i_step, integrate.i_initial, spikes=False),
    NeuronModel("IF", integrate.IFParams, integrate.if_step, integrate.if_initial),
    NeuronModel("LI", leaky.LIParams, leaky.li_step, leaky.li_initial, spikes=False),
    NeuronModel("LIF", leaky.LIFParams, leaky.lif_step, leaky.lif_initial),
    NeuronModel("CubaLI", current.CubaLIParams, current.cubali_step, current.cubali_initial, spikes=False),
    NeuronModel("CubaLIF", current.CubaLIFParams, current.cubalif_step, current.cubalif_initial),
    NeuronModel("snntorch.Leaky", discrete.LeakyParams, discrete.leaky_step, discrete.leaky_initial),
    NeuronModel("snntorch.Synaptic", discrete.SynapticParams, discrete.synaptic_step, discrete.synaptic_initial),
    NeuronModel("snntorch.Alpha", discrete.AlphaParams, discrete.alpha_step, discrete.alpha_initial),
    NeuronModel(
        "spikingjelly.LIFNode", spikingjelly.LIFNodeParams, spikingjelly.lif_node_step, spikingjelly.lif_node_initial
    ),
    NeuronModel(
        "spikingjelly.ParametricLIFNode",
        spikingjelly.PLIFNodeParams,
        spikingjelly.plif_node_step,
        spikingjelly.plif_node_initial,
    ),
    NeuronModel(
        "spikingjelly.CUBALIFNode",
        spikingjelly.CubaNodeParams,
        spikingjelly.cuba_node_step,
        spikingjelly.cuba_node_initial,
    ),
    NeuronModel("norse.LI", norse.NorseLIParams, norse.norse_li_step, norse.norse_li_initial, spikes=False),
    NeuronModel("norse.LIF", norse.NorseLIFParams, norse.norse_lif_step, norse.norse_lif_initial),
    NeuronModel("norse.LIFBox", norse.NorseLIFBoxParams, norse.norse_lifbox_step, norse.norse_lifbox_initial),
    NeuronModel("norse.LSNN", adaptive.LSNNParams, adaptive.lsnn_step, adaptive.lsnn_initial),
    NeuronModel("ALIF", adaptive.ALIFParams, adaptive.alif_step, adaptive.alif_initial),
    NeuronModel("Izhikevich", izhikevich.IzhikevichParams, izhikevich.izhikevich_step, izhikevich.izhikevich_initial),
)

MODELS: Mapping[str, NeuronModel] = MappingProxyType({model.name: model for model in _ALL})
"""Every model, by name."""
