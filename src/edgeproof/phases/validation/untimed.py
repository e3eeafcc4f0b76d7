"""Runners whose times nobody takes: forked from a process that has imported an artifact's runtime.

    edgeproof.phases.validation.untimed:load FORMAT

is what that process does first. What is timed is started afresh, by ``host.run_job`` alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeproof.devices.host import run_job
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import decode, encode
from edgeproof.documents.runner import RUNNER, RunnerJob, RunnerReport
from edgeproof.errors import ArtifactError, DocumentError, ProcessError
from edgeproof.files import atomic_path, write_bytes
from edgeproof.forkserver import shared_start
from edgeproof.formats.base import Format
from edgeproof.formats.here import everything_here
from edgeproof.formats.registry import formats
from edgeproof.formats.telemetry import silent_import
from edgeproof.model.warm import with_torch
from edgeproof.process import Limits, Start, spawn
from edgeproof.trust import fingerprint

__all__ = ["Untimed", "load", "run_untimed"]

MOST_BYTES = 64 << 20
"""Of the outputs of one job that are kept."""
RUNNERS_OWN = ("numpy", "edgeproof.measure.holding", "edgeproof.measure.heat", "edgeproof.model.streaming")


def run_untimed(job: RunnerJob, kind: Format, limits: Limits | None = None) -> RunnerReport:
    """Run a job that gives outputs, or what a profiler tells, and no times.

    Args:
        job: what to run.
        kind: format of its artifact.
        limits: of its process.

    Returns:
        as ``run_job``.

    Raises:
        ValueError: the job is timed.
    """
    if job.measure or job.hold:
        raise ValueError("what is timed is started afresh")
    return run_job(job, limits, start=_start(kind))


@dataclass(frozen=True)
class Untimed:
    """Jobs that are run once: what one gave is kept, for as long as all that it depends on stays as it is.

    Attributes:
        kept: folder of what was given; None: nothing is kept.
    """

    kept: Path | None = None

    def run(
        self,
        job: RunnerJob,
        kind: Format,
        limits: Limits | None = None,
        *,
        python: Sequence[str] = (),
        processor: str = "",
    ) -> RunnerReport:
        """As ``run_untimed``, or what that gave before.

        Args:
            job: what to run.
            kind: format of its artifact.
            limits: of its process.
            python: the words that start a Python on another processor.
            processor: its name.
        """
        key = None if self.kept is None else _key(job, python[:1], processor)
        if self.kept is None or key is None:
            return self._ran(job, kind, limits, python)
        report, outputs = self.kept / f"{key}.json", self.kept / f"{key}.npz"
        with contextlib.suppress(OSError, DocumentError, shutil.Error):
            told = decode(report.read_bytes(), RunnerReport)
            if job.outputs is not None:
                shutil.copyfile(outputs, job.outputs)
            return told
        told = self._ran(job, kind, limits, python)
        if told.error is None:
            with contextlib.suppress(OSError):
                self.kept.mkdir(parents=True, exist_ok=True)
                if job.outputs is not None and Path(job.outputs).stat().st_size > MOST_BYTES:
                    return told
                if job.outputs is not None:
                    with atomic_path(outputs) as path:
                        shutil.copyfile(job.outputs, path)
                write_bytes(report, encode(told))
        return told

    @staticmethod
    def _ran(job: RunnerJob, kind: Format, limits: Limits | None, python: Sequence[str]) -> RunnerReport:
        return run_job(job, limits, python=python) if python else run_untimed(job, kind, limits)


def _key(job: RunnerJob, emulator: Sequence[str], processor: str) -> str | None:
    """A sha256 of the artifact, the samples, what else the job says, and all that is here; None where it cannot be
    told."""
    try:
        given = (_whole(job.artifact), job.inputs, *filter(None, (job.base,)), *emulator)
        files = [fingerprint(Path(path))[0] for path in given]
    except (OSError, ArtifactError):
        return None
    plain = msgspec.structs.replace(
        job, artifact="", inputs="", outputs=job.outputs and "", base=job.base and "", trust=False
    )
    told = msgspec.json.encode([files, plain, processor, everything_here()])
    return hashlib.sha256(told).hexdigest()


def _whole(artifact: str) -> str:
    """The folder of an artifact that stands in one, with its document."""
    folder = Path(artifact).parent
    return str(folder) if (folder / ArtifactDocument.FILE).is_file() else artifact


def _start(kind: Format) -> Start:
    """How its process comes to be: afresh where its runtime cannot be imported, which then says so itself."""
    try:
        base = with_torch() if "torch" in kind.opens_with else spawn
        return shared_start(f"{__name__}:load", kind.name, what=kind.title, start=base)
    except ProcessError:
        return spawn


def load(name: str) -> None:
    """Import what every runner needs of a format's artifacts.

    Raises:
        KeyError: there is no such format. RuntimeError: a runtime has started threads, which a fork does not have.
    """
    for module in (RUNNER, *RUNNERS_OWN):
        importlib.import_module(module)
    for module in formats()[name].opens_with:
        silent_import(module)
    tasks = Path("/proc/self/task")
    count = len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()
    if count > 1:
        raise RuntimeError(f"importing the runtime of {name} has started {count - 1} threads")
