"""Where an artifact's operators run, asked of its runtime in this process, on inputs that its graph is really given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeproof.documents.delegation import Delegation
from edgeproof.documents.runner import RunnerJob
from edgeproof.errors import MissingDependency
from edgeproof.formats.base import Array, GraphRunner
from edgeproof.formats.registry import artifact_document, install_command, missing_requirements
from edgeproof.formats.session import ArtifactSession
from edgeproof.model.streaming import stream_calls
from edgeproof.trust import hold

__all__ = ["delegations_of"]

SAMPLES = 4
CALLS = 32
"""Of the graph that are kept, the first ones: a step form is called once a time step, with its states."""


def delegations_of(job: RunnerJob) -> tuple[Delegation, ...]:
    """Ask the artifact's format.

    Raises:
        ArtifactError: the artifact is damaged, or its runtime refuses it.
        TrustError: it would run code, and is not trusted.
        MissingDependency: its runtime is not installed.
    """
    document, folder, found = artifact_document(Path(job.artifact), trust=job.trust)
    missing = missing_requirements(found.runtime_requires)
    if missing:
        raise MissingDependency(
            f"{document.candidate} needs {', '.join(missing)}", hint=install_command(found, missing)
        )
    hold(folder, document.file, document.sha256, document.beside)

    def calls() -> Sequence[Sequence[Array]]:
        if job.untimed:
            return ()
        recording = _Recording(found.open(document, folder, threads=job.threads))
        with ArtifactSession(document, folder, recording) as session:
            for sample in stream_calls(Path(job.inputs), session.inputs, limit=SAMPLES):
                session.run(sample)
        return recording.calls

    return tuple(found.delegations(document, folder, calls, threads=job.threads))


class _Recording:
    """A graph that keeps what it is given."""

    def __init__(self, runner: GraphRunner) -> None:
        self._runner = runner
        self.calls: list[list[Array]] = []

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]:
        if len(self.calls) < CALLS:
            self.calls.append([array.copy() for array in arrays])
        return self._runner(arrays)

    def close(self) -> None:
        self._runner.close()
