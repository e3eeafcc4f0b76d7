"""Artifacts asked where their operators run, each in a fresh process: a profiler is in it, so it is never timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.delegation import CandidateDelegation
from edgeproof.documents.runner import RunnerJob
from edgeproof.errors import EdgeProofError
from edgeproof.formats.registry import artifact_document
from edgeproof.phases.validation.untimed import Untimed
from edgeproof.process import Limits
from edgeproof.scratch import scratch_folder

__all__ = ["Telling"]

LIMITS = Limits(seconds=120)
SAMPLES = 4
SEED = 0


@dataclass(frozen=True)
class Telling:
    """How artifacts are asked.

    Attributes:
        inputs: npz of samples, under the artifacts' names; None: random ones.
        report: takes a line of progress.
        trust: whether artifacts of unknown origin may run code.
        threads: of the runtime.
        untimed: asks them.
    """

    inputs: Path | None = None
    report: Callable[[str], None] = lambda _: None
    trust: bool = False
    threads: int = 1
    untimed: Untimed = field(default_factory=Untimed)

    def tell(self, artifacts: Sequence[Path]) -> tuple[CandidateDelegation, ...]:
        """What each of them says, in order: one that cannot be asked has the reason."""
        found = []
        for number, path in enumerate(artifacts, 1):
            began = time.monotonic()
            self.report(f"asking where {path.parent.name if path.suffix else path.name} runs")
            found.append(self._told(path))
            self.report(
                f"{found[-1].candidate}: told in {time.monotonic() - began:.1f} s ({number} of {len(artifacts)})"
            )
        return tuple(found)

    def _told(self, path: Path) -> CandidateDelegation:
        lost = CandidateDelegation(candidate=path.stem, artifact=str(path))
        try:
            document, _, kind = artifact_document(path, trust=self.trust)
        except EdgeProofError as error:
            return msgspec.structs.replace(lost, reason=str(error))
        told = msgspec.structs.replace(lost, candidate=document.candidate)
        if kind.undivided is not None:
            return msgspec.structs.replace(told, reason=kind.undivided, undivided=True)
        with scratch_folder("delegation") as folder:
            inputs = self.inputs
            if inputs is None:
                inputs = folder / "inputs.npz"
                _random_inputs(document, inputs)
            job = RunnerJob(
                artifact=str(path), inputs=str(inputs), delegation=True, threads=self.threads, trust=self.trust
            )
            ran = self.untimed.run(job, kind, LIMITS)
            if ran.error and not ran.missing:  # a profiler may end its process
                ran = self.untimed.run(msgspec.structs.replace(job, untimed=True), kind, LIMITS)
        if ran.error:
            return msgspec.structs.replace(told, reason=f"it could not be asked: {ran.error}")
        reason = None if ran.delegations else f"{kind.title} does not tell where its operators run"
        return msgspec.structs.replace(told, delegations=ran.delegations, reason=reason)


def _random_inputs(document: ArtifactDocument, to: Path) -> None:
    """Samples for an artifact that comes with none: floats around zero, and zeros where a number may be an index."""
    loop, draw = document.loop, np.random.default_rng(SEED)
    count = len(document.inputs) - (len(loop.states) if loop else 0)
    arrays = {}
    for binding in document.inputs[:count]:
        spec = binding.tensor
        steps = (loop.timesteps,) if loop is not None and loop.encoding == "sequence" else ()
        shape = (SAMPLES, *steps, *spec.shape)
        floats = np.issubdtype(np.dtype(spec.dtype), np.floating)
        values = draw.standard_normal(shape) if floats else np.zeros(shape)
        arrays[spec.name] = values.astype(spec.dtype)
    np.savez(to, allow_pickle=False, **arrays)
