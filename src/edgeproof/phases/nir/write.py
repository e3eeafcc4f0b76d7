"""A MODEL as a NIR graph in a file, and the proof that the file computes what the model does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgeproof.apart import call_apart
from edgeproof.documents.nir import NirCheck, NirDocument, NirNode
from edgeproof.documents.source import ModelSource
from edgeproof.errors import ConversionError, ModelReferenceError, ProcessError, UsageError
from edgeproof.files import atomic_path
from edgeproof.model.warm import with_torch
from edgeproof.phases.alone.conversion import checked_title
from edgeproof.process import Limits
from edgeproof.spike.graph.prepared import prepare
from edgeproof.spike.graph.semantics import Semantics
from edgeproof.spike.nir.nir_file import read, write

if TYPE_CHECKING:
    from edgeproof.model.subject import Subject

__all__ = ["NirJob", "nir_alone", "write_nir"]


class NirJob(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written.

    Attributes:
        source: MODEL; its module computes one time step, or loops over them by itself.
        title: what the document calls it.
        graph: the file as it was named.
        out: the file.
        dt_s: seconds in a time step; None: Norse's own, else 1e-4.
        check: on how many samples the file is held against the model.
    """

    source: ModelSource
    title: str
    graph: str
    out: str
    dt_s: float | None = None
    check: int = 64


def nir_alone(
    source: ModelSource,
    out: Path,
    *,
    dt_s: float | None = None,
    check: int = 64,
    limits: Limits | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> NirDocument:
    """Write MODEL's graph to ``out``, read it back, and run it beside the model, in a process of its own.

    Args:
        source: MODEL; its module computes one time step, or loops over them by itself.
        out: the file; it must not be there.
        dt_s: seconds in a time step; None: Norse's own, else 1e-4.
        check: on how many samples the file is held against the model.
        limits: of the process.
        report: told what is being done.

    Raises:
        UsageError: MODEL, its signature or samples; its process crashed or passed a limit; ``out`` exists.
        SpikeGraphError: a layer or neuron that has no counterpart in NIR, with its name.
        ConversionError: the file computes something else than the model; it is not kept.
    """
    if out.exists():
        raise UsageError(f"{out} exists already", hint="choose another --out, or remove it first")
    title = checked_title(source)
    report(f"reading {title}, and running the file beside it")
    at_home = source.absolute()
    job = NirJob(source=at_home, title=title, graph=str(out), out=str(out.resolve()), dt_s=dt_s, check=check)
    bounds = limits or Limits()
    try:
        return call_apart(
            f"{__name__}:write_nir",
            job,
            NirDocument,
            what="the model",
            limits=bounds,
            folder=at_home.folder,
            start=with_torch(),
        )
    except ProcessError as lost:
        raise ModelReferenceError(
            f"{title} cannot be read: {lost.message}",
            hint="run it alone to see the whole error; --limit-seconds gives it more time",
        ) from lost


def write_nir(job: NirJob) -> NirDocument:
    """Do the job, in the process that loads the model.

    Raises:
        UsageError: MODEL, its signature or samples.
        SpikeGraphError: a layer or neuron that has no counterpart in NIR, with its name.
        ConversionError: the file computes something else than the model; it is not kept.
    """
    from edgeproof.model.drawing import Draw, draw
    from edgeproof.model.resolve import resolve
    from edgeproof.model.samples import evenly
    from edgeproof.phases.nir.check import check_graph
    from edgeproof.phases.nir.graph import graph_of

    resolved = resolve(job.source)
    subject = _stacked(resolved.subject)
    held_out = draw(resolved.subject, resolved.user_samples, Draw()).held_out
    chosen = held_out.take(evenly(held_out.count, job.check))
    graph = graph_of(subject, chosen, job.dt_s)
    with atomic_path(Path(job.out)) as path:
        write(path, graph.version.network)
        network = read(path)
        checked = check_graph(subject, graph, network, chosen)
        size = path.stat().st_size
        if not all(output.passed for output in checked.outputs):
            raise ConversionError(
                f"the graph does not compute what the model does: {_shares(checked)}; {checked.difference}",
                hint="ship the model in another format, and say which layer of it is computed otherwise",
            )
    prepared = prepare(network)
    semantics = network.semantics
    return NirDocument(
        model=job.title,
        graph=job.graph,
        bytes=size,
        nodes=tuple(
            NirNode(name=name, kind=type(node).__name__, shape=prepared.structure.shapes[name])
            for name, node in prepared.structure.nodes.items()
        ),
        semantics=_answers(semantics),
        statement=semantics.statement(),
        choices=graph.version.choices,
        left_out=dict(graph.left_out),
        check=checked,
    )


def _stacked(subject: Subject) -> Subject:
    """The subject with every step's outputs instead of their sum; one that loops by itself as it is."""
    from edgeproof.model.subject import make_subject

    model = subject.model
    if model.timesteps is None:
        return subject
    return make_subject(replace(model, readout="stack", score_output=None), subject.signature.inputs)


def _shares(check: NirCheck) -> str:
    return ", ".join(
        f"{output.name} has {output.agreement:.2%} equal {'spike counts' if output.spikes else 'values'}"
        for output in check.outputs
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
