"""A NIR graph as MODEL: ``graph.nir``, or ``graph.nir?timesteps=25&reset=subtract`` where the file leaves things open.

NIR gives neither a number of time steps nor the rules of a step. What the file says in its metadata holds; what the
address says wins; and the model's notes state what is used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from edgeproof.documents.signature import Readout, TensorSpec
from edgeproof.errors import ModelReferenceError, SpikeGraphError
from edgeproof.model.model import Model
from edgeproof.model.nir_apart import read_apart
from edgeproof.spike.graph.network import Network
from edgeproof.spike.graph.prepared import Prepared
from edgeproof.spike.graph.primitives import (
    IF,
    LI,
    LIF,
    CubaLI,
    CubaLIF,
    I,
    Identity,
    Input,
    Output,
    Threshold,
    numbers,
)
from edgeproof.spike.graph.semantics import Semantics
from edgeproof.spike.graph.shapes import MAX_VALUES
from edgeproof.spike.graph.structure import analyse

__all__ = ["brings_spikes", "nir_model", "parse_options"]

READOUTS: Mapping[Readout, str] = {
    "sum": "the sum over the time steps",
    "mean": "the mean over the time steps",
    "last": "the value of the last time step",
    "stack": "the values of all time steps",
}
EXAMPLE = "graph.nir?timesteps=25"


def _whole(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError("expected a whole number")
    return int(text)


OPTIONS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "timesteps": (_whole, "steps of a call"),
    "reset": (str, "zero, subtract, none"),
    "reset_delay": (_whole, "0, 1"),
    "operator": (str, "> or >="),
    "dt": (float, "seconds in a step"),
    "integration": (str, "euler, exponential"),
    "input": (str, "constant, events, rate, latency, delta"),
    "input_seed": (_whole, "of rate's draws"),
    "input_threshold": (float, "of delta and latency"),
    "readout": (str, ", ".join(READOUTS)),
}
"""What may stand after ``?``: how it is read, and what it may be."""
_CODING = {"input": "kind", "input_seed": "seed", "input_threshold": "threshold"}


def parse_options(text: str, query: str) -> dict[str, Any]:
    """The words after ``?`` of an address.

    Raises:
        ModelReferenceError: a word that is not known, or a value that is not of its kind.
    """
    found: dict[str, Any] = {}
    hint = "known are " + "; ".join(f"{name} ({what})" for name, (_, what) in OPTIONS.items())
    try:
        pairs = parse_qsl(query, strict_parsing=True, max_num_fields=20) if query else []
    except ValueError as error:
        raise ModelReferenceError(f"{text}: cannot read `?{query}`; expected name=value&…", hint=hint) from error
    for name, value in pairs:
        if name not in OPTIONS or name in found:
            raise ModelReferenceError(
                f"{text}: `{name}` {'is there twice' if name in found else 'is no option'}", hint=hint
            )
        read_as, what = OPTIONS[name]
        try:
            found[name] = read_as(value)
        except ValueError as error:
            raise ModelReferenceError(f"{text}: {name} is `{value}`; expected {what}") from error
    if found.get("readout", "sum") not in READOUTS:
        raise ModelReferenceError(f"{text}: readout is `{found['readout']}`; expected {', '.join(READOUTS)}")
    return found


def nir_model(path: Path, query: str = "", *, text: str = "") -> Model:
    """Read a graph and make a model of one time step of it.

    An Output that brings spikes is read out as their count over the steps, any other as its last value. Inputs have the
    time axis first, unless their coding is ``constant``: then a sample is given at every step. Samples are given before
    the coding (``model.coding``).

    Args:
        path: the file.
        query: what stands after ``?`` in the address.
        text: the address, for messages.

    Raises:
        ModelReferenceError: nothing says how many time steps a call has, or how long one is where that scales the
            input; or an option is not known.
        SpikeGraphError: the file cannot be read, or its graph cannot run.
        MissingDependency: h5py is not installed.
    """
    from edgeproof.model.nir_module import NetworkModule

    options = parse_options(text or str(path), query)
    network = read_apart(path)
    if "dt" not in options:
        _check_time_step(network, path)
    axis = network.semantics.time_axis
    network = Network(network.nodes, network.edges, _semantics(network.semantics, options))
    timesteps = network.semantics.timesteps
    if timesteps is None:
        raise ModelReferenceError(
            f"{path} does not say how many time steps a call has, and NIR has no place for it",
            hint=f"say it after the file's name, such as {EXAMPLE.replace('graph.nir', path.name)} (in quotes)",
        )
    _check_call(network, timesteps)
    module = NetworkModule(network)
    shapes = module.prepared.structure.shapes
    constant = network.semantics.input_coding.kind == "constant"
    names = _identifiers((*module.inputs, *module.outputs))
    spiking = [name for name in module.outputs if brings_spikes(module.prepared, name)]
    readouts: list[Readout] = [
        options.get("readout") or ("sum" if name in spiking else "last") for name in module.outputs
    ]
    return Model(
        module,
        inputs=[
            TensorSpec(name=names[name], dtype="float32", shape=(*(() if constant else (timesteps,)), 1, *shapes[name]))
            for name in module.inputs
        ],
        timesteps=timesteps,
        encoding="repeat" if constant else "sequence",
        coding=network.semantics.input_coding,
        readout=readouts,
        explicit_state=bool(module.initial),
        initial_state=module.initial or None,
        output_names=[names[name] for name in module.outputs],
        spike_outputs=[names[name] for name in spiking],
        name=path.stem,
        notes=(
            *_notes(network.semantics, axis, module.outputs, readouts),
            *_overshooting(module.prepared, network.semantics),
        ),
    )


def _check_time_step(network: Network, path: Path) -> None:
    """Neurons that integrate take their input times dt: of a file that states nothing, a guess is off by any factor."""
    names = [name for name, node in network.nodes.items() if isinstance(node, I | IF)]
    if names and network.semantics == Semantics():
        raise ModelReferenceError(
            f"{path} does not say how long a time step is, and {', '.join(names[:3])}"
            f"{' and others' if len(names) > 3 else ''} integrate{'s' if len(names) == 1 else ''} over it: the input "
            "counts dt-fold",
            hint=f"say it after the file's name, such as {path.name}?timesteps=25&dt=1 (in quotes); 1 is that of a "
            "network trained step by step",
        )


def _check_call(network: Network, timesteps: int) -> None:
    """A small file must not ask for a call that fills the memory."""
    structure = analyse(network)
    for name in (*structure.named(Input), *structure.named(Output)):
        values = timesteps * math.prod(structure.shapes[name])
        if values > MAX_VALUES:
            raise SpikeGraphError(
                f"{name!r} has {values:,} numbers over {timesteps:,} time steps; at most {MAX_VALUES:,} are taken",
                hint="say fewer time steps",
            )


def _semantics(stored: Semantics, options: Mapping[str, Any]) -> Semantics:
    """What the file says, or the defaults, with what the address says instead."""
    renamed = {"operator": "threshold_operator", "dt": "dt_s"}
    changes = {renamed.get(name, name): value for name, value in options.items() if name not in (*_CODING, "readout")}
    coding = {field: options[name] for name, field in _CODING.items() if name in options}
    return replace(stored, time_axis=0, input_coding=replace(stored.input_coding, **coding), **changes)


def _notes(semantics: Semantics, axis: int, outputs: Iterable[str], readouts: Iterable[Readout]) -> tuple[str, ...]:
    told = [f"NIR leaves open how its equations become time steps; used: {semantics.statement()}"]
    if axis != 0:
        told.append(f"the file has the time axis at {axis}; samples here have it first")
    told += [f"the output {name!r} is {READOUTS[how]}" for name, how in zip(outputs, readouts, strict=True)]
    return tuple(told)


def _overshooting(prepared: Prepared, semantics: Semantics) -> tuple[str, ...]:
    """Forward Euler goes past its target where a step is longer than a time constant, as with a wrong ``dt``."""
    if semantics.integration != "euler":
        return ()
    shortest = {
        name: min(float(values.min()) for part, values in numbers(node) if part.startswith("tau"))
        for name, node in prepared.structure.nodes.items()
        if isinstance(node, LI | LIF | CubaLI | CubaLIF)
    }
    short = [name for name, tau in shortest.items() if tau < semantics.dt_s * (1 - 1e-6)]
    if not short:
        return ()
    return (
        f"a step of {semantics.dt_s:g} s is longer than a time constant of {', '.join(short[:5])}"
        f"{' and others' if len(short) > 5 else ''} ({min(shortest.values()):g} s), so forward Euler overshoots: say "
        "the dt that the network was trained with, or integration=exponential",
    )


def brings_spikes(prepared: Prepared, output: str) -> bool:
    """Whether one neuron that fires, or a Threshold, leads to the Output without a layer between."""
    name = output
    while True:
        sources = prepared.sources[name]
        if len(sources) != 1:
            return False
        name = sources[0]
        node = prepared.structure.nodes[name]
        if name in prepared.neurons:
            return prepared.neurons[name][0].spikes
        if not isinstance(node, Identity):
            return isinstance(node, Threshold)


def _identifiers(names: Iterable[str]) -> dict[str, str]:
    """A name for each that can stand in a graph and in C."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\W", "_", name, flags=re.ASCII)[:60]
        plain = plain if plain[:1].isalpha() else f"n_{plain}"
        free, number = plain, 1
        while free in found.values():
            number += 1
            free = f"{plain}_{number}"
        found[name] = free
    return found
