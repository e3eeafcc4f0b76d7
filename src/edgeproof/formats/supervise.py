"""Runs conversions, each in a process of its own that is held to limits: a converter that crashes, hangs or eats the
memory costs its own candidate and no more."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeproof.apart import LostError, call_apart
from edgeproof.errors import ProcessError
from edgeproof.files import building_folder
from edgeproof.forkserver import ForkServer
from edgeproof.formats.worker import Job, Outcome
from edgeproof.model.warm import with_export
from edgeproof.process import Ended, Limits, outcome_of
from edgeproof.together import each

__all__ = ["run_jobs"]

WORKER = "edgeproof.formats.worker"
LIMITED = "raise --limit-seconds or --limit-memory, or convert the one-step form"
BROKEN = "run `edgeproof env` to see whether its packages are as required"


def run_jobs(
    jobs: Sequence[Job],
    limits: Limits,
    *,
    parallel: int,
    begin: Callable[[Job], None] = lambda _: None,
    report: Callable[[Outcome], None] = lambda _: None,
) -> dict[str, Outcome]:
    """Run every job; a format's converter is imported once, ``parallel`` formats are at work at a time.

    Args:
        jobs: in the order that each format's are done in.
        limits: for each of them, and for its converter's imports.
        parallel: formats at a time.
        begin: called from worker threads as each job begins.
        report: called from worker threads as each outcome arrives.

    Returns:
        candidate → outcome; every job has one.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.format, []).append(job)
    outcomes: dict[str, Outcome] = {}

    def convert_group(name: str) -> None:
        with _Converter(name, limits) as converter:
            for job in groups[name]:
                begin(job)
                outcomes[job.candidate] = outcome = converter.run(job)
                report(outcome)

    each(convert_group, groups, parallel=parallel)
    return outcomes


class _Converter:
    """A format's converter, imported in a process from which one is forked for each job."""

    def __init__(self, name: str, limits: Limits) -> None:
        self._name, self._limits = name, limits
        self._server: ForkServer | None = None

    def run(self, job: Job) -> Outcome:
        """Run a job; the converter is imported first where it is not, or where its process is gone."""
        try:
            ended = self._stand()
        except ProcessError as error:
            return Outcome(candidate=job.candidate, status="failed", reason=error.message, remedy=BROKEN)
        if ended is not None:
            return _lost(job, ended, "failed", f"the converter's process {ended}", BROKEN)
        assert self._server is not None
        try:
            return call_apart(
                f"{WORKER}:make",
                job,
                Outcome,
                what="the converter",
                limits=self._limits,
                log=Path(job.log),
                start=self._server.start,
            )
        except LostError as lost:
            reason = f"the converter {outcome_of(lost.ended.code)} without a result"
            return _lost(job, lost.ended, "crashed", reason, None)
        except ProcessError as error:
            return Outcome(candidate=job.candidate, status="failed", reason=error.message, remedy=BROKEN)
        finally:
            shutil.rmtree(building_folder(Path(job.folder)), ignore_errors=True)

    def _stand(self) -> Ended | None:
        """Have the process stand: None, or how it ended instead."""
        if self._server is not None and self._server.alive:
            return None
        self._close()
        self._server = ForkServer(f"{WORKER}:load", self._name, start=with_export())
        return self._server.ready(self._limits)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def __enter__(self) -> _Converter:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()


def _lost(job: Job, ended: Ended, status: str, reason: str, remedy: str | None) -> Outcome:
    """What became of a job whose process, or whose converter's, ended before it: stopped by a limit, or by itself."""
    if ended.stopped is not None:
        status, reason, remedy = "failed", ended.stopped, LIMITED
    return Outcome(
        candidate=job.candidate,
        status=status,
        reason=reason,
        remedy=remedy,
        seconds=ended.seconds,
        peak_memory_bytes=ended.peak_memory_bytes or None,
    )
