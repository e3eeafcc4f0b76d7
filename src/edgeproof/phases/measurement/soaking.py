"""A candidate of a run, soaked on this host: what the soak saw stands in the run from then on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.soak import SoakReport
from edgeproof.errors import UsageError
from edgeproof.measure.soak import SoakLength, soak_artifact
from edgeproof.phases.evaluate import conclude
from edgeproof.rundir import RunDir

__all__ = ["soak_candidate"]


def soak_candidate(
    folder: str | Path,
    artifact: str | Path,
    length: SoakLength,
    *,
    samples: str | Path | None = None,
    threads: int = 1,
    trust: bool = False,
    report: Callable[[str], None] = lambda _line: None,
) -> SoakReport:
    """Soak the artifact of one of a run's candidates, write ``phase4_soak/<candidate>.json`` and the run's report.

    Args:
        folder: the run.
        artifact: the file or folder that the run has of the candidate.
        length: how long, in which windows.
        samples: npz or folder of inputs; None: the run's held-out samples.
        threads: of the runtime.
        trust: whether an artifact that this user did not make may run code.
        report: takes a line of progress a window.

    Raises:
        RunFolderError: it is no run folder, or another process is at work in it when the soak is over.
        UsageError: the artifact is none of the run's; or as of ``soak_artifact``, whose other errors are raised too.
    """
    run = RunDir.open(Path(folder), trust=trust)
    candidate = candidate_of(run, Path(artifact))
    if samples is None:
        samples = run.path(run.read(SamplesDocument).held_out.file)
    own = run.path(candidate.artifact or "")
    seen = soak_artifact(own, length, samples=samples, threads=threads, trust=trust, report=report)
    seen = msgspec.structs.replace(
        seen, artifact=candidate.artifact or "", candidate=candidate.candidate, sha256=candidate.sha256
    )
    with run.held():
        run.write(seen)
        conclude(run)
    return seen


def candidate_of(run: RunDir, artifact: Path) -> ConversionResult:
    """The candidate that the run has this artifact of.

    Raises:
        UsageError: none.
    """
    asked = artifact.resolve()
    made = [result for result in run.read(ConversionDocument).candidates if result.artifact is not None]
    for result in made:
        own = run.path(result.artifact or "").resolve()
        if own == asked or (asked.is_dir() and own.parent == asked):
            return result
    names = ", ".join(f"{run.root}/{result.artifact}" for result in made)
    raise UsageError(f"{artifact} is no artifact of the run {run.root}", hint=f"it has {names or 'none'}")
