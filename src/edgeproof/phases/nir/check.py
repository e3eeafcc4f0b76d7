"""A graph from its file beside the model: every output on every sample, and where the first difference begins."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.documents.nir import NirCheck, NirOutput
from edgeproof.documents.policy import DifferenceLimits
from edgeproof.model.model import Samples
from edgeproof.model.subject import Subject
from edgeproof.phases.nir.graph import Graph
from edgeproof.spike.graph.discretise import is_stateful
from edgeproof.spike.graph.divergence import explain_divergence
from edgeproof.spike.graph.network import Network
from edgeproof.spike.graph.prepared import Prepared, prepare
from edgeproof.spike.graph.primitives import Primitive
from edgeproof.spike.graph.reference import run
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.lower import lower

__all__ = ["check_graph"]

Array = npt.NDArray[Any]


def check_graph(subject: Subject, graph: Graph, network: Network, samples: Samples) -> NirCheck:
    """Hold what stands in the file against the model, run eagerly.

    Args:
        subject: gives every step's outputs, or loops by itself.
        graph: what was written.
        network: what was read back.
        samples: inputs of the model.

    Raises:
        ArtifactError: the model raised.
    """
    from edgeproof.model.eager import EagerSession, run_all

    eager = run_all(EagerSession(subject), samples.inputs)
    prepared = prepare(network)
    timesteps = graph.timesteps
    readouts = {node: graph.readouts[name] for name, node in graph.outputs.items()}
    program = lower(network, timesteps, readouts)
    found: dict[str, list[Array]] = {name: [] for name in graph.outputs}
    for index in range(samples.count):
        results = interpret(program, _given(graph, samples, index, repeated=None))
        for name, node in graph.outputs.items():
            made = results[node]
            found[name].append(made if graph.readouts[name] == "stack" else made[None])
    outputs, difference = [], None
    for name, node in graph.outputs.items():
        theirs = eager[name].reshape(np.shape(found[name]))
        ours = np.stack(found[name])
        outputs.append(
            _compared(name, theirs, ours, spikes=_spiking(prepared, node) and graph.readouts[name] != "mean")
        )
        if difference is None and outputs[-1].equal < outputs[-1].values:
            difference = _explained(graph, samples, name, theirs, ours, timesteps)
    return NirCheck(
        samples=samples.count, origin=samples.origin, timesteps=timesteps, outputs=tuple(outputs), difference=difference
    )


def _given(graph: Graph, samples: Samples, index: int, *, repeated: int | None) -> dict[str, Array]:
    """A sample for the graph, by its nodes' names and without the batch axis; repeated so many times where told."""
    sequence = graph.version.network.semantics.input_coding.kind != "constant"
    given = {}
    for name, node in graph.inputs.items():
        value = np.take(samples.inputs[name][index], 0, axis=graph.batch_axes[name])
        given[node] = np.repeat(value[None], repeated, axis=0) if repeated and not sequence else value
    return given


def _compared(name: str, theirs: Array, ours: Array, *, spikes: bool) -> NirOutput:
    """Spikes by their counts over the steps, other outputs by all values. Arrays are [samples, steps or 1, ...].

    One count may differ however few there are: whether a value that reaches the threshold to the last bit fires depends
    on the order of a sum, which PyTorch chooses by the processor.
    """
    limits = DifferenceLimits()
    if spikes:
        equal = theirs.sum(axis=1) == ours.sum(axis=1)
        share = float(equal.mean())
        passed = share >= limits.spike_agreement_fp32 or equal.size - int(equal.sum()) == 1
        return NirOutput(
            name=name, spikes=True, values=equal.size, equal=int(equal.sum()), agreement=share, passed=passed
        )
    same = theirs == ours
    size = float(np.linalg.norm(theirs.astype(np.float64)))
    apart = float(np.linalg.norm(theirs.astype(np.float64) - ours))
    relative = apart / size if size else (0.0 if apart == 0 else float("inf"))
    return NirOutput(
        name=name,
        spikes=False,
        values=same.size,
        equal=int(same.sum()),
        agreement=float(same.mean()),
        relative_l2=relative,
        passed=relative <= limits.fp32,
    )


def _spiking(prepared: Prepared, output: str) -> bool:
    from edgeproof.model.nir_model import brings_spikes

    return brings_spikes(prepared, output)


def _explained(graph: Graph, samples: Samples, name: str, theirs: Array, ours: Array, timesteps: int) -> str:
    """Where the first sample that differs parts: in the neurons' form, or in PyTorch's order of sums."""
    index = int(np.flatnonzero([not np.array_equal(a, b) for a, b in zip(theirs, ours, strict=True)])[0])
    where = f"sample {index}, output {name}"
    if graph.exact is not None:
        given = _given(graph, samples, index, repeated=timesteps)
        neurons = [
            node
            for node, primitive in graph.exact.nodes.items()
            if isinstance(primitive, Primitive) and is_stateful(primitive)
        ]
        as_it_is = run(graph.exact, given, trace=neurons).traces
        as_nir_has_it = run(graph.version.network, given, trace=neurons).traces
        parted = [
            (found.step, order, node, found.text)
            for order, node in enumerate(neurons)
            if (found := explain_divergence(as_it_is[node], as_nir_has_it[node])) is not None
        ]
        if parted:
            _, _, node, text = min(parted)
            return f"{where}: NIR's form of {node} rounds otherwise than the library's: {text}"
    found = explain_divergence(theirs[index], ours[index])
    return f"{where}: PyTorch adds in another order: {found.text if found else 'no value differs'}"
