"""A MODEL as a NIR graph in a file, and the proof that the file computes what the model does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeproof.documents.nir import NirCheck, NirDocument, NirNode
from edgeproof.errors import ConversionError, UsageError
from edgeproof.model.coding import ready
from edgeproof.model.model import Samples
from edgeproof.model.resolve import Resolved, resolve
from edgeproof.model.samples import resolve_pool, synthetic_samples
from edgeproof.model.subject import Subject, make_subject
from edgeproof.phases.nir_check import check_graph
from edgeproof.phases.nir_graph import graph_of
from edgeproof.rundir import atomic_path
from edgeproof.spike.graph.prepared import prepare
from edgeproof.spike.graph.semantics import Semantics
from edgeproof.spike.nir.nir_file import read, write

__all__ = ["write_nir"]

SEED = 0


def write_nir(
    model: str,
    out: Path,
    *,
    inputs: tuple[str, ...] = (),
    samples: str | None = None,
    trust: bool = False,
    dt_s: float | None = None,
    check: int = 64,
    report: Callable[[str], None] = lambda _: None,
) -> NirDocument:
    """Write MODEL's graph to ``out``, read it back, and run it beside the model.

    Args:
        model: MODEL; its module computes one time step, or loops over them by itself.
        out: the file; it must not be there.
        inputs, samples, trust: as everywhere.
        dt_s: seconds in a time step; None: Norse's own, else 1e-4.
        check: on how many samples the file is held against the model.
        report: told what is being done.

    Raises:
        UsageError: MODEL, its signature or samples; ``out`` exists.
        SpikeGraphError: a layer or neuron that has no counterpart in NIR, with its name.
        ConversionError: the file computes something else than the model; it is not kept.
    """
    if out.exists():
        raise UsageError(f"{out} exists already", hint="choose another --out, or remove it first")
    report(f"loading {model}")
    resolved = resolve(model, inputs=inputs, samples=samples, trust=trust)
    subject = _stacked(resolved.subject)
    chosen = _samples(resolved, check)
    graph = graph_of(subject, chosen, dt_s)
    with atomic_path(out) as path:
        write(path, graph.version.network)
        network = read(path)
        report(f"running the file and the model on {chosen.count} samples")
        checked = check_graph(subject, graph, network, chosen)
        size = path.stat().st_size
        if not all(one.passed for one in checked.outputs):
            raise ConversionError(
                f"the graph does not compute what the model does: {_shares(checked)}; {checked.difference}",
                hint="ship the model in another format, and say which layer of it is computed otherwise",
            )
    plan = prepare(network)
    semantics = network.semantics
    return NirDocument(
        model=model,
        graph=str(out),
        bytes=size,
        nodes=tuple(
            NirNode(name=name, kind=type(node).__name__, shape=plan.structure.shapes[name])
            for name, node in plan.structure.nodes.items()
        ),
        semantics=_answers(semantics),
        statement=semantics.statement(),
        choices=graph.version.choices,
        left_out=dict(graph.left_out),
        check=checked,
    )


def _stacked(subject: Subject) -> Subject:
    """The subject with every step's outputs instead of their sum; one that loops by itself as it is."""
    model = subject.model
    if model.timesteps is None:
        return subject
    return make_subject(replace(model, readout="stack", score_output=None), subject.signature.inputs)


def _samples(resolved: Resolved, count: int) -> Samples:
    """Of the user's, the held-out or the representative ones, evenly chosen; failing all, random input."""
    model, specs = resolved.subject.model, resolved.subject.signature.inputs
    source = resolved.user_samples or resolve_pool(model.held_out) or resolve_pool(model.samples)
    if source is None:
        return synthetic_samples(specs, count, SEED)
    chosen, _ = ready(model, source.take(np.unique(np.linspace(0, source.count - 1, count).astype(int))), specs)
    return chosen


def _shares(check: NirCheck) -> str:
    return ", ".join(
        f"{one.name} has {one.agreement:.2%} equal {'spike counts' if one.spikes else 'values'}"
        for one in check.outputs
    )


def _answers(semantics: Semantics) -> dict[str, str]:
    return {
        "reset": semantics.reset,
        "when": "one step later" if semantics.reset_delay else "in the step that fires",
        "fires": f"v {semantics.threshold_operator} threshold",
        "time step": f"{semantics.dt_s:g} s",
        "integration": semantics.integration,
        "input": f"{semantics.input_coding}, time axis {semantics.time_axis}",
        "time steps of a call": "not said" if semantics.timesteps is None else str(semantics.timesteps),
    }
