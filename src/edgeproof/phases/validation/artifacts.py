"""Artifacts run on the held-out samples, each in a fresh process, and held against the eager reference."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.runner import RunnerJob
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.errors import ArtifactError, EdgeProofError
from edgeproof.formats.base import Format
from edgeproof.formats.registry import artifact_document
from edgeproof.model.arrays import read_npz
from edgeproof.model.samples import load_samples
from edgeproof.phases.validation.against import Reference, by_position, held_against, unexplained
from edgeproof.phases.validation.bases import Bases, bases_among, wants_base
from edgeproof.phases.validation.elsewhere import Elsewhere
from edgeproof.phases.validation.scoring import Scored, with_scores
from edgeproof.phases.validation.untimed import Untimed
from edgeproof.phases.validation.variants import Usual, run_variant
from edgeproof.process import Limits
from edgeproof.schedule.costs import Cost, Costs
from edgeproof.schedule.tasks import Finished, Plan, Task, free_memory, run_tasks, usual_jobs
from edgeproof.timeline import doing
from edgeproof.trust import hold

__all__ = ["Validating", "inputs_for"]

RUN_LIMITS = Limits(seconds=300)


@dataclass(frozen=True)
class Validating:
    """What artifacts are held against, and where their outputs go.

    Attributes:
        reference: the eager model's outputs.
        policy: the thresholds.
        scratch: folder for the outputs of each.
        report: takes a line of progress.
        trust: whether artifacts of unknown origin may run code.
        bases: what compressed weights are held against, beside what stands among the artifacts.
        elsewhere: other processors to run them on.
        score: the task score of outputs, an npz for each artifact.
        jobs: artifacts at a time; None: as many as there are cores, and as the memory holds.
        untimed: runs them.
    """

    reference: Reference
    policy: PolicyValue
    scratch: Path
    report: Callable[[str], None] = lambda _: None
    trust: bool = False
    bases: Bases = field(default_factory=dict)
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    score: Callable[[Mapping[str, Path]], Scored | None] = lambda _: None
    jobs: int | None = None
    untimed: Untimed = field(default_factory=Untimed)

    def validate(self, model: str, artifacts: Sequence[Path]) -> ValidationDocument:
        """Run artifacts, each in a fresh process, and compare; ``model`` is what the document calls it."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        bases = {**self.bases, **bases_among(artifacts, trust=self.trust)}
        costs = Costs()

        def validated(task: Task[tuple[int, Path]]) -> ValidationResult:
            number, path = task.work
            began = time.monotonic()
            self.report(f"running {_name_of(path)}")
            with doing(task.kind):
                result = self._validated(path, self.scratch / f"{number:02d}.npz", bases)
            if result.status != "error":
                costs.learn(task.kind, Cost(time.monotonic() - began))
            return result

        def ended(_task: Task[tuple[int, Path]], result: ValidationResult, finished: Finished) -> None:
            self.report(f"{result.candidate}: {result.status} in {finished.seconds:.1f} s ({finished})")

        tasks = [
            Task(f"{number}", f"validate {_name_of(path)}", (number, path)) for number, path in enumerate(artifacts)
        ]
        told = run_tasks(Plan(tasks, costs, self.jobs or usual_jobs(), free_memory()), validated, ended=ended)
        costs.keep()
        results = tuple(told[task.name] for task in tasks)
        kept = {str(path): self._kept(self.scratch / f"{number:02d}.npz") for number, path in enumerate(artifacts)}
        kept = {artifact: outputs for artifact, outputs in kept.items() if outputs.is_file()}
        document = ValidationDocument(
            model=model,
            samples=len(next(iter(self.reference.outputs.values()))),
            sample_source=self.reference.source,
            task=None,
            reference_score=None,
            results=results,
            not_emulated=dict(self.elsewhere.lacking),
        )
        try:
            return with_scores(document, self.score(kept), self.policy)
        finally:
            for outputs in kept.values():
                outputs.unlink()

    @staticmethod
    def _kept(outputs: Path) -> Path:
        """Where outputs stay until they are scored."""
        return outputs.with_name(f"{outputs.stem}-outputs.npz")

    def _validated(self, path: Path, outputs: Path, bases: Bases) -> ValidationResult:
        lost = ValidationResult(candidate=path.stem, artifact=str(path), status="error")
        try:
            document, folder, kind = artifact_document(path, trust=self.trust)
        except EdgeProofError as error:
            return msgspec.structs.replace(lost, reason=str(error))
        except Exception as error:
            return msgspec.structs.replace(lost, reason=f"it cannot be opened: {error}")
        told = msgspec.structs.replace(
            lost,
            candidate=document.candidate,
            format=document.format,
            precision=document.precision,
            form=document.form,
            checked_by=kind.stands_in,
        )
        try:
            hold(folder, document.file, document.sha256, document.beside)
        except ArtifactError as error:
            return msgspec.structs.replace(told, reason=str(error))
        base = bases.get((document.format, document.form))
        with inputs_for(document, self.reference, outputs) as inputs:
            job = RunnerJob(
                artifact=str(path),
                inputs=str(inputs),
                outputs=str(outputs),
                base=None if base is None or base == folder / document.file else str(base),
                trust=self.trust,
            )
            return self._compared(told, job, document, kind)

    def _compared(
        self, told: ValidationResult, job: RunnerJob, document: ArtifactDocument, kind: Format
    ) -> ValidationResult:
        """The result of a job that runs every sample."""
        ran = self.untimed.run(job, kind, RUN_LIMITS)
        if ran.error or job.outputs is None:
            return msgspec.structs.replace(told, reason=f"it does not run: {ran.error}")
        outputs = read_npz(Path(job.outputs))
        Path(job.outputs).unlink()
        result = held_against(told, document, outputs, self.reference, self.policy)
        if result.differences is not None:
            named = by_position(outputs, document, self.reference.signature)
            np.savez(self._kept(Path(job.outputs)), allow_pickle=False, **named)
        usual = Usual(job, document, outputs, self.reference, self.policy.difference, self.untimed)
        variants = tuple(run_variant(variation, usual, kind) for variation in kind.variants(document.precision))
        processors = self.elsewhere.results(result, usual, kind)
        if ran.storage_faults:
            reason = "; ".join([*([result.reason] if result.reason else []), *ran.storage_faults])
            faults = tuple(ran.storage_faults)
            result = msgspec.structs.replace(result, status="failed", reason=reason, faults=faults)
        unheld = wants_base(document, kind) and job.base is None
        warnings = (
            *self.reference.warnings,
            *ran.cautions,
            *(["its weights were held against none: give the format's first precision beside it"] * unheld),
            *unexplained(result, kind.explained(document.precision)),
        )
        return msgspec.structs.replace(result, variants=variants, processors=processors, warnings=warnings)


def _name_of(path: Path) -> str:
    return path.parent.name if path.suffix else path.name


@contextlib.contextmanager
def inputs_for(document: ArtifactDocument, reference: Reference, outputs: Path) -> Iterator[Path]:
    """The held-out inputs under the artifact's names; one from elsewhere may have its own, in the same order."""
    count = len(document.inputs) - (len(document.loop.states) if document.loop else 0)
    names = [binding.tensor.name for binding in document.inputs[:count]]
    known = [spec.name for spec in reference.signature.inputs]
    if set(names) == set(known) or len(names) != len(known):
        yield reference.held_out
        return
    path = outputs.with_name(f"{outputs.stem}-inputs.npz")
    held = load_samples(reference.held_out, reference.signature.inputs).inputs
    np.savez(path, allow_pickle=False, **{name: held[old] for name, old in zip(names, known, strict=True)})
    try:
        yield path
    finally:
        path.unlink()
