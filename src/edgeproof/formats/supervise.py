"""Runs conversions, each in a process of its own that is held to limits: a converter that crashes, hangs or eats the
memory costs its own candidate and no more."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeproof.apart import LostError, call_apart
from edgeproof.errors import ProcessError
from edgeproof.files import building_folder
from edgeproof.forkserver import ForkServer
from edgeproof.formats.cache import Conversions, default_conversions
from edgeproof.formats.registry import formats
from edgeproof.formats.worker import Job, Outcome
from edgeproof.model.warm import with_export
from edgeproof.process import Ended, Limits, outcome_of
from edgeproof.schedule.costs import Cost, Costs
from edgeproof.schedule.tasks import Finished, Plan, Task, free_memory, run_tasks, usual_jobs
from edgeproof.timeline import doing

__all__ = ["Means", "run_jobs"]

WORKER = "edgeproof.formats.worker"
LIMITED = "raise --limit-seconds or --limit-memory, or convert the one-step form"
BROKEN = "run `edgeproof env` to see whether its packages are as required"


@dataclass(frozen=True)
class Means:
    """What conversions may use.

    Attributes:
        jobs: at a time; None: as many as there are cores, and as the memory holds.
        cache: of those that were made before; None: none.
    """

    jobs: int | None = None
    cache: Conversions | None = field(default_factory=default_conversions)

    @classmethod
    def of(cls, jobs: int | None, *, cache: bool) -> Means:
        """So many at a time, with this user's cache or with none."""
        return cls(jobs) if cache else cls(jobs, None)


def run_jobs(
    jobs: Sequence[Job],
    limits: Limits,
    means: Means,
    *,
    begin: Callable[[Job], None] = lambda _: None,
    report: Callable[[Outcome, Finished], None] = lambda _outcome, _finished: None,
) -> dict[str, Outcome]:
    """Run every job, the longest first as earlier runs taught; a format's converter is imported once.

    Args:
        jobs: one that starts from another's artifact waits for that.
        limits: for each of them, and for its converter's imports.
        means: what they may use.
        begin: called from worker threads as each job begins.
        report: called from worker threads as each outcome arrives, with how far things are.

    Returns:
        candidate → outcome; every job has one.
    """
    costs, known = Costs(), formats()
    made_by = {str(Path(job.folder)): job.candidate for job in jobs}
    tasks = [Task(job.candidate, f"convert {job.candidate}", job, _behind(job, made_by)) for job in jobs]
    converters = _Converters(jobs, limits)
    cache = means.cache

    def convert(task: Task[Job]) -> Outcome:
        job = task.work
        begin(job)
        try:
            key = None if cache is None else cache.key(job, known[job.format])
            if cache is not None and key is not None and (kept := cache.take(key, job)) is not None:
                return Outcome(candidate=job.candidate, status="ok", seconds=kept.seconds, cached=kept.made)
            with doing(f"convert {job.candidate}"):
                outcome = converters.of(job).run(job)
            if outcome.status == "ok":
                costs.learn(task.kind, Cost(outcome.seconds, outcome.peak_memory_bytes or Cost().memory_bytes))
                if cache is not None and key is not None:
                    cache.keep(key, job, outcome)
            return outcome
        finally:
            converters.done(job)

    plan = Plan(tasks, costs, means.jobs or usual_jobs(), free_memory())
    try:
        return run_tasks(plan, convert, ended=lambda _task, outcome, finished: report(outcome, finished))
    finally:
        converters.close()
        costs.keep()


def _behind(job: Job, made_by: Mapping[str, str]) -> frozenset[str]:
    """The candidate whose artifact it starts from, where that is made here."""
    base = None if job.base is None else made_by.get(str(Path(job.base).parent))
    return frozenset() if base is None else frozenset({base})


class _Converters:
    """The converters of some jobs, each from its first job that asks for it to its last."""

    def __init__(self, jobs: Sequence[Job], limits: Limits) -> None:
        self._limits, self._lock = limits, threading.Lock()
        self._left = Counter(job.format for job in jobs)
        self._made: dict[str, _Converter] = {}

    def of(self, job: Job) -> _Converter:
        """The one of a job's format."""
        with self._lock:
            return self._made.setdefault(job.format, _Converter(job.format, self._limits))

    def done(self, job: Job) -> None:
        """A job needs it no longer; the last one lets go of its memory."""
        with self._lock:
            self._left[job.format] -= 1
            converter = self._made.pop(job.format, None) if not self._left[job.format] else None
        if converter is not None:
            converter.close()

    def close(self) -> None:
        """Let go of all."""
        while self._made:
            self._made.popitem()[1].close()


class _Converter:
    """A format's converter, imported in a process from which one is forked for each job."""

    def __init__(self, name: str, limits: Limits) -> None:
        self._name, self._limits = name, limits
        self._lock = threading.Lock()
        self._server: ForkServer | None = None

    def run(self, job: Job) -> Outcome:
        """Run a job; the converter is imported first where it is not, or where its process is gone."""
        try:
            with self._lock:
                ended, server = self._stand(), self._server
        except ProcessError as error:
            return Outcome(candidate=job.candidate, status="failed", reason=error.message, remedy=BROKEN)
        if ended is not None:
            return _lost(job, ended, "failed", f"the converter's process {ended}", BROKEN)
        assert server is not None
        try:
            return call_apart(
                f"{WORKER}:make",
                job,
                Outcome,
                what="the converter",
                limits=self._limits,
                log=Path(job.log),
                start=server.start,
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
        self.close()
        self._server = ForkServer(f"{WORKER}:load", self._name, start=with_export())
        return self._server.ready(self._limits)

    def close(self) -> None:
        """Stop its process, and what was forked from it."""
        if self._server is not None:
            self._server.close()
            self._server = None


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
