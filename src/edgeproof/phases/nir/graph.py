"""What of a MODEL goes into a graph: its network in NIR's primitives, and which node is which input and output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeproof.documents.signature import Readout, Signature
from edgeproof.errors import SignatureError
from edgeproof.model.coding import coding_of
from edgeproof.model.model import Samples
from edgeproof.model.subject import Subject
from edgeproof.spike.graph.network import Network
from edgeproof.spike.graph.prepared import prepare
from edgeproof.spike.graph.primitives import Input
from edgeproof.spike.graph.semantics import Semantics
from edgeproof.spike.nir.as_nir import NirVersion, as_nir

if TYPE_CHECKING:
    import torch

    from edgeproof.spike.from_modules.loop import Loop
    from edgeproof.spike.from_modules.read import Imported

__all__ = ["Graph", "graph_of"]

DT_S = 1e-4
LOOP_SAMPLES = 8
READOUTS: Mapping[Readout, str] = {
    "stack": "its values of all time steps",
    "sum": "the sum over the time steps",
    "mean": "the mean over the time steps",
    "last": "its value of the last time step",
}


@dataclass(frozen=True)
class Graph:
    """A network beside the model it is of.

    Attributes:
        exact: with neurons in their library's form; None where the model is a graph itself.
        version: with NIR's primitives.
        inputs: the Input of each input of the model.
        outputs: the Output of each output of the model.
        left_out: outputs of the model that the graph does not have, with the reason.
        readouts: how the model gives an output: its values of all steps, or what it makes of them.
        batch_axes: of each input of the model, without the sample axis.
    """

    exact: Network | None
    version: NirVersion
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    left_out: Mapping[str, str]
    readouts: Mapping[str, Readout]
    batch_axes: Mapping[str, int]

    @property
    def timesteps(self) -> int:
        """Of a call."""
        return self.version.network.semantics.timesteps or 1


def graph_of(subject: Subject, samples: Samples, dt_s: float | None) -> Graph:
    """Read a model's network.

    Args:
        subject: its module computes one time step, or loops over them by itself.
        samples: inputs of the model.
        dt_s: seconds in a time step; None: Norse's own, else 1e-4.

    Raises:
        SignatureError: its tensors are not float32.
        SpikeGraphError: a layer or neuron that has no counterpart, or no time steps.
    """
    from edgeproof.model.nir_module import NetworkModule

    module, signature = subject.model.module, subject.signature
    names_in, names_out = ([spec.name for spec in specs] for specs in (signature.inputs, signature.outputs))
    if isinstance(module, NetworkModule):
        network = module.network if dt_s is None else _with(module.network, dt_s=dt_s)
        pairs = dict(zip(names_in, module.inputs, strict=True)), dict(zip(names_out, module.outputs, strict=True))
        return Graph(None, NirVersion(network, ()), *pairs, {}, *_steps_of_ours(subject))
    _check_real(signature)
    seconds = dt_s or _norse_dt(module) or DT_S
    if subject.model.timesteps is None:
        found, loop = _read_loop(subject, samples, Semantics(dt_s=seconds))
        axes = {name: 0 if axis is None else 1 - axis for name, axis in loop.time_axes.items()}
        called: tuple[Mapping[str, Readout], Mapping[str, int]] = loop.readouts, axes
        seen = [f"the module loops by itself: its layers are called in turns, {loop.timesteps} times"]
        seen += [f"{name}: {READOUTS[how]}" for name, how in loop.readouts.items()]
    else:
        semantics = Semantics(dt_s=seconds, input_coding=coding_of(subject.model), timesteps=subject.model.timesteps)
        found, called, seen = _read(subject, samples, semantics), _steps_of_ours(subject), []
    structure = prepare(found.network).structure
    pairs = dict(zip(names_in, structure.named(Input), strict=True)), dict(found.outputs)
    version = as_nir(found.network)
    version = replace(version, choices=(*seen, *version.choices))
    return Graph(found.network, version, *pairs, found.left_out, *called)


def _steps_of_ours(subject: Subject) -> tuple[Mapping[str, Readout], Mapping[str, int]]:
    """How a module of one time step gives its outputs and takes its inputs."""
    axis = 1 if subject.model.encoding == "sequence" else 0
    every: Readout = "stack"
    return (
        dict.fromkeys((spec.name for spec in subject.signature.outputs), every),
        dict.fromkeys((spec.name for spec in subject.signature.inputs), axis),
    )


def _check_real(signature: Signature) -> None:
    odd = [spec.name for spec in (*signature.inputs, *signature.outputs) if spec.dtype != "float32"]
    if odd:
        raise SignatureError(f"{', '.join(odd)} is not float32, and a graph of NIR computes with real numbers")


def _read(subject: Subject, samples: Samples, semantics: Semantics) -> Imported:
    import torch

    from edgeproof.model.forms import caller
    from edgeproof.model.outputs import flatten_output
    from edgeproof.spike.from_modules.read import network_of

    model, signature = subject.model, subject.signature
    names = [spec.name for spec in signature.inputs]
    steps = model.encoding == "sequence"
    now = [
        torch.from_numpy(np.array(samples.inputs[name][0][0] if steps else samples.inputs[name][0])) for name in names
    ]
    carried: Any = model.initial_state

    def step() -> dict[str, torch.Tensor]:
        nonlocal carried
        if model.explicit_state:
            output, carried = model.module(*now, carried)
        else:
            output = caller(model.module, names)(now)
        tensors = [tensor for _, tensor in flatten_output(output)]
        return dict(zip([spec.name for spec in signature.outputs], tensors, strict=True))

    with subject.state.fresh():
        return network_of(model.module, dict(zip(names, now, strict=True)), step, semantics)


def _read_loop(subject: Subject, samples: Samples, semantics: Semantics) -> tuple[Imported, Loop]:
    """The time step of a module that loops by itself; some samples tell its outputs apart."""
    import torch

    from edgeproof.model.forms import caller
    from edgeproof.model.outputs import flatten_output
    from edgeproof.spike.from_modules.read import network_of_loop

    names = [spec.name for spec in subject.signature.inputs]
    outputs = [spec.name for spec in subject.signature.outputs]

    def call(inputs: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        with subject.state.fresh():
            output = caller(subject.model.module, names)([inputs[name] for name in names])
        return dict(zip(outputs, [tensor for _, tensor in flatten_output(output)], strict=True))

    few = [
        {name: torch.from_numpy(np.array(samples.inputs[name][index])) for name in names}
        for index in range(min(samples.count, LOOP_SAMPLES))
    ]
    return network_of_loop(subject.model.module, few, call, semantics)


def _with(network: Network, **changes: Any) -> Network:
    return Network(network.nodes, network.edges, replace(network.semantics, **changes))


def _norse_dt(module: torch.nn.Module) -> float | None:
    """The time step of Norse's cells: its time constants are in seconds, those of the other libraries in steps."""
    for part in module.modules():
        if type(part).__module__.partition(".")[0] == "norse" and "dt" in vars(part):
            return float(vars(part)["dt"])
    return None
