"""Candidates made from a workspace, each in a process of its own; what an earlier try finished is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import read_document
from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.parsing import file_bytes, parse_json
from edgeproof.errors import DocumentError
from edgeproof.files import write_bytes
from edgeproof.formats.registry import install_command, missing_requirements
from edgeproof.formats.supervise import Means, run_jobs
from edgeproof.formats.worker import Job, Outcome
from edgeproof.model.workspace import Workspace
from edgeproof.phases.conversion.planned import Planned
from edgeproof.process import Limits
from edgeproof.schedule.tasks import Finished

__all__ = ["Making"]


@dataclass(frozen=True)
class Making:
    """Where candidates are made from and to.

    Attributes:
        workspace: with samples and the exported programs.
        model: MODEL, as the document names it.
        name: stem for file names.
        out: folder of the artifacts, one folder a candidate inside.
        limits: of one conversion.
        report: takes a line of progress.
        means: what conversions may use.
    """

    workspace: Workspace
    model: str
    name: str
    out: Path
    limits: Limits
    report: Callable[[str], None] = lambda _: None
    means: Means = field(default_factory=Means)

    def make(self, planned: Sequence[Planned]) -> ConversionDocument:
        """Make the planned candidates.

        Returns:
            a document with one result per candidate, in order; artifact paths are as ``out`` gives them.
        """
        results: dict[str, ConversionResult] = {}
        waiting: dict[str, Planned] = {}
        for candidate in planned:
            settled = _impossible(candidate) or self._finished(candidate) or self._unexported(candidate)
            if settled is not None:
                results[candidate.candidate] = settled
            else:
                waiting[candidate.candidate] = candidate

        def began(job: Job) -> None:
            self.report(f"converting {job.candidate}")

        def arrived(outcome: Outcome, finished: Finished) -> None:
            candidate = waiting[outcome.candidate]
            results[outcome.candidate] = result = self._result(candidate, outcome)
            write_bytes(self._record(candidate), msgspec.json.encode(_without_place(result)))
            said: str = "converted" if result.status == "ok" else result.status
            if outcome.cached is not None:
                said = "taken from the cache"
            self.report(f"{outcome.candidate}: {said} in {finished.seconds:.1f} s ({finished})")

        bases = {(base.format.name, base.form): base for base in planned if base.is_base}
        jobs = [
            self._job(candidate, bases.get((candidate.format.name, candidate.form))) for candidate in waiting.values()
        ]
        run_jobs(jobs, self.limits, self.means, begin=began, report=arrived)
        return ConversionDocument(
            model=self.model,
            limit_seconds=self.limits.seconds,
            limit_memory_bytes=self.limits.memory_bytes,
            candidates=_with_takers([results[candidate.candidate] for candidate in planned]),
        )

    def _record(self, candidate: Planned) -> Path:
        return self.workspace.root / "work" / "conversion" / f"{candidate.candidate}.json"

    def _log(self, candidate: Planned) -> Path:
        return self.workspace.logs / f"{candidate.candidate}.log"

    def _finished(self, candidate: Planned) -> ConversionResult | None:
        """The result of an earlier try whose artifact still stands."""
        try:
            result = parse_json(file_bytes(self._record(candidate)), ConversionResult)
        except (OSError, msgspec.MsgspecError):
            return None
        if result.status == "ok" and not (self.out / candidate.candidate / ArtifactDocument.FILE).is_file():
            return None
        placed = None if result.artifact is None else str(self.out / candidate.candidate / Path(result.artifact).name)
        log = None if result.log is None else str(self._log(candidate))
        return msgspec.structs.replace(result, artifact=placed, log=log)

    def _unexported(self, candidate: Planned) -> ConversionResult | None:
        refused = self.workspace.prepared.failure(candidate.form)
        return None if refused is None else candidate.result("failed", refused.reason, refused.remedy)

    def _job(self, candidate: Planned, base: Planned | None) -> Job:
        start = None
        if base is not None and base is not candidate:
            start = str(self.out / base.candidate / f"{self.name}{base.format.suffix}")
        return Job(
            candidate=candidate.candidate,
            format=candidate.format.name,
            precision=candidate.precision,
            spine=str(self.workspace.spine(candidate.form)),
            samples=str(self.workspace.sample_folder),
            folder=str(self.out / candidate.candidate),
            name=self.name,
            log=str(self._log(candidate)),
            base=start,
        )

    def _result(self, candidate: Planned, outcome: Outcome) -> ConversionResult:
        log = str(self._log(candidate))
        if outcome.status != "ok":
            lost = candidate.result(
                "skipped" if outcome.status == "skipped" else "failed",
                outcome.reason or "the converter failed",
                outcome.remedy,
            )
            return msgspec.structs.replace(
                lost,
                operator=outcome.operator,
                detail=outcome.detail,
                seconds=outcome.seconds,
                peak_memory_bytes=outcome.peak_memory_bytes,
                log=log,
            )
        folder = self.out / candidate.candidate
        try:
            document = read_document(folder / ArtifactDocument.FILE, ArtifactDocument)
        except DocumentError as error:
            return candidate.result("failed", f"the artifact cannot be read back: {error}")
        return msgspec.structs.replace(
            candidate.result("ok"),
            form=document.form,
            artifact=str(folder / document.file),
            bytes=document.bytes,
            seconds=outcome.seconds,
            cached=outcome.cached,
            peak_memory_bytes=outcome.peak_memory_bytes,
            sha256=document.sha256,
            rewrites=document.rewrites,
            notes=document.notes,
            versions=document.versions,
            log=log,
        )


def _with_takers(results: Sequence[ConversionResult]) -> tuple[ConversionResult, ...]:
    """With the candidates that were made of the same model, where one failed on an operator of it: they take it."""
    made = [result.candidate for result in results if result.status == "ok"]
    if not made:
        return tuple(results)
    takers = f"made of this model: {', '.join(made)}"
    return tuple(
        result
        if result.operator is None or result.status != "failed"
        else msgspec.structs.replace(result, remedy=f"{result.remedy}; {takers}" if result.remedy else takers)
        for result in results
    )


def _without_place(result: ConversionResult) -> ConversionResult:
    """As a record has it: names alone, because all of it may be moved or copied before it is read again."""
    artifact, log = (None if path is None else Path(path).name for path in (result.artifact, result.log))
    return msgspec.structs.replace(result, artifact=artifact, log=log)


def _impossible(candidate: Planned) -> ConversionResult | None:
    missing = missing_requirements(candidate.format.requires)
    if not missing:
        return None
    lost = candidate.result("skipped", f"missing {', '.join(missing)}", install_command(candidate.format, missing))
    return msgspec.structs.replace(lost, lacking=tuple(missing))
