"""Phase 5: the run's documents are held against its policy, and the report is written. Also writes the runbook.

Reads and writes documents of the run, nothing else; the thinking is in ``verdict`` and ``report``.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from edgeproof.documents.activity import ActivityDocument
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import read_document
from edgeproof.documents.batches import BatchesDocument
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.delegation import DelegationDocument
from edgeproof.documents.environment import EnvironmentDocument
from edgeproof.documents.evaluation import EvaluationDocument, Evidence
from edgeproof.documents.latency import LatencySummary
from edgeproof.documents.parsing import file_bytes, parse_json
from edgeproof.documents.samples import HELD_OUT_FILE, SamplesDocument
from edgeproof.documents.shipping import ReducedBuild, ShippingDocument
from edgeproof.documents.validation import ValidationDocument
from edgeproof.errors import RunFolderError
from edgeproof.files import write_bytes
from edgeproof.phases.activity.raster import load_raster
from edgeproof.phases.power.thinned import power_seen
from edgeproof.rundir import REPORT_HTML, REPORT_MD, RUNBOOK, RunDir
from edgeproof.verdict.decide import decide
from edgeproof.verdict.policy import policy_toml

if TYPE_CHECKING:
    from edgeproof.report.likeness import ComparedRun

__all__ = [
    "compared_run",
    "conclude",
    "evaluate",
    "judge",
    "latencies_of",
    "platforms_of",
    "read_evidence",
    "write_runbook",
]

REFERENCE_FILE = "work/reference.npz"
"""The eager model's outputs on the held-out samples, as the workspace keeps them."""


def conclude(run: RunDir, report: Callable[[str], None] = lambda _: None) -> EvaluationDocument:
    """Write the runbook and the evaluation with its report."""
    report("writing the runbook")
    write_runbook(run)
    report("weighing the evidence")
    return evaluate(run)


def evaluate(run: RunDir, policy_file: Path | None = None, *, csv: Path | None = None) -> EvaluationDocument:
    """Evaluate the run and write ``phase5_evaluation.json``, the report as Markdown and HTML, and ``plots/*.svg``.

    Args:
        run: the run.
        policy_file: a policy to use in place of the run's own.
        csv: a folder for every table as CSV; None writes none.

    Raises:
        PolicyError: the policy file cannot be used.
        DocumentError: a document of the run is damaged.
    """
    from edgeproof.report.compose import build
    from edgeproof.report.content import ReportInput
    from edgeproof.report.csv_files import csv_files
    from edgeproof.report.html import render_html
    from edgeproof.report.markdown import render_markdown
    from edgeproof.report.plots import draw

    evidence = read_evidence(run)
    activity = evidence.activity
    evaluation = judge(run, evidence, policy_file)
    given = ReportInput(
        evidence=evidence,
        evaluation=evaluation,
        policy_toml=policy_toml(evaluation.policy),
        latencies=latencies_of(run, evidence),
        activity=activity,
        raster=load_raster(run, activity) if activity is not None else {},
        power=power_seen(run, evidence),
    )
    report = build(given, draw(given))
    run.write(evaluation)
    for stale in run.path("plots").glob("*.svg"):
        stale.unlink()
    for plot in report.drawings:
        write_bytes(run.path(f"plots/{plot.name}.svg"), plot.alone.encode())
    write_bytes(run.path(REPORT_MD), render_markdown(report).encode())
    write_bytes(run.path(REPORT_HTML), render_html(report).encode())
    if csv is not None:
        for name, text in csv_files(report.tables).items():
            write_bytes(csv / name, text.encode())
    return evaluation


def judge(run: RunDir, evidence: Evidence, policy_file: Path | None = None) -> EvaluationDocument:
    """Hold the evidence against a policy; writes nothing.

    Args:
        run: the run.
        evidence: its documents.
        policy_file: a policy to use in place of the run's own.

    Raises:
        PolicyError: the policy cannot be used.
    """
    policy, source = run.policy(policy_file)
    return decide(evidence, policy, platforms_of(evidence), policy_source=source)


def compared_run(folder: str) -> ComparedRun:
    """A run, to be held against another one.

    Raises:
        RunFolderError: it is no run folder, or a damaged one.
    """
    from edgeproof.report.likeness import ComparedRun

    run = RunDir.open(Path(folder))
    evidence = read_evidence(run)
    return ComparedRun(
        name=folder,
        evidence=evidence,
        evaluation=judge(run, evidence),
        held_out=arrays_digest(run.path(held_out_file(evidence))),
        outputs=arrays_digest(run.path(REFERENCE_FILE)),
    )


def arrays_digest(path: Path) -> str | None:
    """A digest of the arrays in an ``.npz``, of names and checksums, whenever it was written; None without one."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted((member.filename, member.file_size, member.CRC) for member in archive.infolist())
    except (OSError, zipfile.BadZipFile):
        return None
    return hashlib.sha256(repr(members).encode()).hexdigest()


def read_evidence(run: RunDir) -> Evidence:
    """Every document that the run has.

    Raises:
        DocumentError: one of them is damaged, or of a newer version.
    """
    manifest = run.manifest()
    return Evidence(
        model=manifest.options.model_name,
        folder=str(run.root),
        manifest=manifest,
        environment=run.read_if_there(EnvironmentDocument),
        samples=run.read_if_there(SamplesDocument),
        latency=run.read_if_there(LatencySummary),
        conversion=run.read_if_there(ConversionDocument),
        validation=run.read_if_there(ValidationDocument),
        delegation=run.read_if_there(DelegationDocument),
        activity=run.read_if_there(ActivityDocument),
        devices=run.devices(),
        shipping=run.read_if_there(ShippingDocument),
        soaks=run.soaks(),
        batches=run.read_if_there(BatchesDocument),
    )


def platforms_of(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    """Candidate to the device classes its format ships to; a format that is not installed ships nowhere."""
    from edgeproof.formats.registry import formats

    found: dict[str, tuple[str, ...]] = {
        known.candidate(precision): known.platforms for known in formats().values() for precision in known.precisions
    }
    by_format = {name: known.platforms for name, known in formats().items()}
    if evidence.conversion is not None:
        for result in evidence.conversion.candidates:
            found.setdefault(result.candidate, by_format.get(result.format, ()))
    return found


def reduced_builds(conversion: ConversionDocument) -> dict[str, tuple[ReducedBuild, ...]]:
    """By candidate, how its runtime is built with the operators of its artifact alone."""
    from edgeproof.formats.registry import formats

    ways = {name: known.reduced_builds() for name, known in formats().items()}
    return {result.candidate: ways.get(result.format, ()) for result in conversion.candidates}


def latencies_of(run: RunDir, evidence: Evidence) -> dict[str, list[float]]:
    """The host's raw steady-state latencies per candidate, µs.

    A file that is missing or is not a list of numbers leaves its candidate out; one outside the run is not read.
    """
    found: dict[str, list[float]] = {}
    for device in evidence.devices:
        if device.device_class != "host" or device.emulated:
            continue
        for measurement in device.measurements:
            if measurement.steady is not None:
                values = raw_values(run, measurement.steady.raw)
                if values:
                    found[measurement.candidate] = values
    return found


def raw_values(run: RunDir, relative: str) -> list[float]:
    try:
        values = parse_json(file_bytes(run.path(relative)), list[float])
    except (OSError, RunFolderError, msgspec.MsgspecError):
        return []
    return [value for value in values if math.isfinite(value)]


def write_runbook(run: RunDir) -> Path:
    """Write ``phase4_device_runbook.md`` for the artifacts of this run, and give its path.

    Raises:
        RunFolderError: nothing was converted yet.
    """
    from edgeproof.report.runbook import RunbookInput, render_runbook

    evidence = read_evidence(run)
    if evidence.conversion is None:
        raise RunFolderError(
            f"{run.root} has no artifacts yet: {ConversionDocument.FILE} is missing",
            hint=f"finish the run first: edgeproof run --resume {run.root}",
        )
    given = RunbookInput(
        evidence=evidence,
        artifacts=artifacts_of(run, evidence.conversion),
        platforms=platforms_of(evidence),
        policy=run.policy()[0],
        held_out=held_out_file(evidence),
        reduced=reduced_builds(evidence.conversion),
    )
    write_bytes(run.path(RUNBOOK), render_runbook(given).encode())
    return run.path(RUNBOOK)


def artifacts_of(run: RunDir, conversion: ConversionDocument) -> dict[str, ArtifactDocument]:
    """``artifact.json`` of every candidate that was converted; one without is left out.

    It lies in the artifact's folder: the path that the conversion names, or the one around it.
    """
    found: dict[str, ArtifactDocument] = {}
    for result in conversion.candidates:
        if result.status != "ok" or result.artifact is None:
            continue
        path = PurePosixPath(result.artifact)
        for folder in (path, *path.parents[:-1]):
            told = run.path(str(folder / ArtifactDocument.FILE))
            if told.is_file():
                found[result.candidate] = read_document(told, ArtifactDocument)
                break
    return found


def held_out_file(evidence: Evidence) -> str:
    return evidence.samples.held_out.file if evidence.samples is not None else HELD_OUT_FILE
