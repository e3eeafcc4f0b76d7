"""Phase 3, first half: every candidate in a process of its own, from the forms that were exported once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.phases.activity.of_run import count_activity
from edgeproof.phases.conversion.adopted import Adoption, adopt, parse_adopted
from edgeproof.phases.conversion.making import Making
from edgeproof.phases.conversion.planned import Planned, plan
from edgeproof.phases.conversion.shipping import shipping_of
from edgeproof.phases.prepare import limits_of, means_of, workspace_of
from edgeproof.rundir import RunDir

__all__ = ["convert", "convert_sdk"]

ARTIFACTS = "artifacts"
Report = Callable[[str], None]


def convert(run: RunDir, report: Report = lambda _: None) -> ConversionDocument:
    """Convert what the manifest asks for and write ``phase3_conversion.json``; count what a spiking network does.

    What an earlier try finished is kept.
    """
    making, planned = _setting(run, report)
    document = making.make(planned)
    results = tuple(
        msgspec.structs.replace(result, artifact=run.written(result.artifact), log=run.written(result.log))
        for result in document.candidates
    )
    document = msgspec.structs.replace(document, candidates=(*results, *_taken(run, report)))
    run.write(document)
    run.write(shipping_of(result.format for result in document.candidates))
    count_activity(run, report)
    return document


def convert_sdk(run: RunDir, report: Report = lambda _: None) -> list[tuple[str, Path]]:
    """Make only PyTorch itself and our own engine: their local proof comes before conversion.

    Returns:
        (candidate, artifact) of those that were made.
    """
    making, planned = _setting(run, report)
    made = making.make([candidate for candidate in planned if candidate.format.sdk or candidate.format.eager])
    return [(result.candidate, Path(result.artifact)) for result in made.candidates if result.artifact]


def _taken(run: RunDir, report: Callable[[str], None]) -> list[ConversionResult]:
    """The candidates that were made elsewhere."""
    options, workspace = run.options(), workspace_of(run)
    found = []
    for name, path in parse_adopted(options.artifacts).items():
        adoption = Adoption(
            name=name,
            path=str(path),
            signature=workspace.samples.signature,
            out=str(run.path(ARTIFACTS)),
            trust=options.trust,
        )
        result = adopt(adoption, limits_of(options), workspace.logs / f"{name}.log")
        report(f"{name}: {'taken' if result.status == 'ok' else 'not taken'}, {path}")
        found.append(msgspec.structs.replace(result, artifact=run.written(result.artifact)))
    return found


def _setting(run: RunDir, report: Report) -> tuple[Making, tuple[Planned, ...]]:
    options = run.options()
    workspace = workspace_of(run)
    making = Making(
        workspace,
        options.model,
        options.model_name,
        run.path(ARTIFACTS),
        limits_of(options),
        report,
        means_of(options),
    )
    return making, plan(options.candidates, steps=workspace.samples.signature.timesteps is not None)
