"""Phase 3, first half: export once per form, then every candidate in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import decode
from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.signature import Form
from edgeproof.errors import ConversionError, DocumentError
from edgeproof.formats.exporting import ExportJob, ExportResult, FormResult, export_model, exported_before
from edgeproof.formats.registry import install_command, missing_requirements
from edgeproof.formats.supervise import Limits, run_jobs
from edgeproof.formats.worker import Job, Outcome
from edgeproof.phases.plan import Planned, plan
from edgeproof.phases.prepare import HELD_OUT, REPRESENTATIVE, SAMPLES
from edgeproof.rundir import RunDir, write_bytes

__all__ = ["Source", "convert", "convert_candidates", "convert_sdk"]

CONVERSION = "phase3_conversion.json"
REFERENCE = "work/reference.npz"
ARTIFACTS = "artifacts"
SPINE = "work/spine"
PARALLEL = 2


@dataclass(frozen=True)
class Source:
    """Where a conversion's inputs stand.

    Attributes:
        model: MODEL as on the command line.
        inputs: ``--input`` specs.
        user_samples: ``--samples``, for the signature.
        trust: whether TorchScript files may be opened.
        name: stem for file names.
        root: folder that holds ``work/`` and the prepared samples.
    """

    model: str
    inputs: tuple[str, ...]
    user_samples: str | None
    trust: bool
    name: str
    root: Path


def convert(run: RunDir, report: Callable[[str], None] = lambda _: None) -> ConversionDocument:
    """Convert what the manifest asks for and write ``phase3_conversion.json``. What an earlier try finished is kept."""
    planned = _planned(run)
    document = _convert_in(run, planned, report)
    results = tuple(
        msgspec.structs.replace(one, artifact=run.relative(Path(one.artifact))) if one.artifact else one
        for one in document.candidates
    )
    document = msgspec.structs.replace(document, candidates=results)
    run.write(CONVERSION, document)
    return document


def convert_sdk(run: RunDir, report: Callable[[str], None] = lambda _: None) -> list[tuple[str, Path]]:
    """Make only the candidates that run the model with the SDK's own engine: the local proof comes before conversion.

    Every form that the run will need is exported on the way.

    Returns:
        (candidate, artifact) of those that were made.
    """
    planned = _planned(run)
    report("exporting the model")
    source, limits = _setting(run)
    _export(source, tuple(dict.fromkeys(one.form for one in planned)), limits)
    sdk = [one for one in planned if one.format.sdk]
    made = _convert_in(run, sdk, report)
    return [(one.candidate, Path(one.artifact)) for one in made.candidates if one.artifact]


def _planned(run: RunDir) -> tuple[Planned, ...]:
    samples = run.read(SAMPLES, SamplesDocument)
    return plan(samples.signature, run.manifest().options.candidates)


def _setting(run: RunDir) -> tuple[Source, Limits]:
    options = run.manifest().options
    source = Source(options.model, options.inputs, options.samples, options.trust, options.model_name, run.root)
    return source, Limits(options.limit_seconds, options.limit_memory_bytes)


def _convert_in(run: RunDir, planned: Sequence[Planned], report: Callable[[str], None]) -> ConversionDocument:
    source, limits = _setting(run)
    return convert_candidates(source, planned, run.path(ARTIFACTS), limits, report)


def convert_candidates(
    source: Source,
    planned: Sequence[Planned],
    out: Path,
    limits: Limits,
    report: Callable[[str], None] = lambda _: None,
) -> ConversionDocument:
    """Make the planned candidates under ``out``, one folder each.

    Returns:
        a document with one result per candidate, in order; artifact paths are as ``out`` gives them.
    """
    results: dict[str, ConversionResult] = {}
    for one in planned:
        blocked = _impossible(one)
        kept = None if blocked else _finished(source, one, out)
        if blocked or kept:
            results[one.candidate] = blocked or kept  # type: ignore[assignment]
    waiting = [one for one in planned if one.candidate not in results]
    if waiting or not (source.root / REFERENCE).is_file():
        forms = tuple(dict.fromkeys(one.form for one in waiting))
        exported = _export(source, forms, limits)
        for one in waiting:
            refused = exported.failure(one.form)
            if refused is not None:
                results[one.candidate] = one.result("failed", refused.reason, refused.remedy)
        waiting = [one for one in waiting if one.candidate not in results]
    by_name = {one.candidate: one for one in waiting}
    bases = {
        (one.format.name, one.form): out / one.candidate for one in planned if one.precision == one.format.precisions[0]
    }
    firsts_first = sorted(waiting, key=lambda one: one.precision != one.format.precisions[0])
    jobs = [_job(source, one, out, bases.get((one.format.name, one.form))) for one in firsts_first]

    def arrived(outcome: Outcome) -> None:
        one = by_name[outcome.candidate]
        results[outcome.candidate] = result = _result(one, outcome, out, source)
        write_bytes(_record(source, one), msgspec.json.encode(result))
        took = f"{outcome.seconds:.1f} s"
        report(f"{outcome.candidate}: {'converted' if result.status == 'ok' else result.status} in {took}")

    run_jobs(jobs, limits, parallel=PARALLEL, report=arrived)
    return ConversionDocument(
        model=source.model,
        limit_seconds=limits.seconds,
        limit_memory_bytes=limits.memory_bytes,
        candidates=tuple(results[one.candidate] for one in planned),
    )


def _export(source: Source, forms: tuple[Form, ...], limits: Limits) -> ExportResult:
    """Export the forms that are not exported yet, and the eager reference."""
    kept = exported_before(source.root / SPINE)
    if kept is not None and (source.root / REFERENCE).is_file() and set(forms) <= {one.form for one in kept.forms}:
        return kept
    job = ExportJob(
        model=source.model,
        inputs=source.inputs,
        user_samples=source.user_samples,
        trust=source.trust,
        forms=forms,
        samples=str(source.root / REPRESENTATIVE),
        held_out=str(source.root / HELD_OUT),
        folder=str(source.root / SPINE),
        reference=str(source.root / REFERENCE),
    )
    try:
        return export_model(job, seconds=limits.seconds)
    except ConversionError as error:
        return ExportResult(
            forms=tuple(FormResult(form=form, reason=error.message, remedy=error.hint) for form in forms)
        )


def _impossible(one: Planned) -> ConversionResult | None:
    missing = missing_requirements(one.format.requires)
    if not missing:
        return None
    return one.result("skipped", f"missing {', '.join(missing)}", install_command(one.format, missing))


def _record(source: Source, one: Planned) -> Path:
    return source.root / "work" / "conversion" / f"{one.candidate}.json"


def _finished(source: Source, one: Planned, out: Path) -> ConversionResult | None:
    """The result of an earlier try whose artifact still stands."""
    try:
        result = msgspec.json.decode(_record(source, one).read_bytes(), type=ConversionResult)
    except (OSError, msgspec.MsgspecError):
        return None
    if result.status == "ok" and not (out / one.candidate / "artifact.json").is_file():
        return None
    return result


def _job(source: Source, one: Planned, out: Path, base: Path | None) -> Job:
    is_base = base == out / one.candidate
    return Job(
        candidate=one.candidate,
        format=one.format.name,
        precision=one.precision,
        spine=str(source.root / SPINE / one.form),
        samples=str(source.root / REPRESENTATIVE),
        folder=str(out / one.candidate),
        name=source.name,
        log=str(source.root / "work" / "logs" / f"{one.candidate}.log"),
        base=None if base is None or is_base else str(base / f"{source.name}{one.format.suffix}"),
    )


def _result(one: Planned, outcome: Outcome, out: Path, source: Source) -> ConversionResult:
    log = str(source.root / "work" / "logs" / f"{one.candidate}.log")
    if outcome.status != "ok":
        status: Literal["failed", "skipped"] = "skipped" if outcome.status == "skipped" else "failed"
        lost = one.result(status, outcome.reason or "the converter failed", outcome.remedy)
        return msgspec.structs.replace(
            lost, seconds=outcome.seconds, peak_memory_bytes=outcome.peak_memory_bytes, log=log
        )
    try:
        document = decode((out / one.candidate / "artifact.json").read_bytes(), ArtifactDocument)
    except (OSError, DocumentError) as error:
        return one.result("failed", f"the artifact cannot be read back: {error}")
    return msgspec.structs.replace(
        one.result("ok"),
        form=document.form,
        artifact=str(out / one.candidate / document.file),
        bytes=document.bytes,
        seconds=outcome.seconds,
        peak_memory_bytes=outcome.peak_memory_bytes,
        sha256=document.sha256,
        rewrites=document.rewrites,
        notes=document.notes,
        versions=document.versions,
        log=log,
    )
