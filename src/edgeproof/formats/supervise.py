"""Runs conversion jobs in worker processes, each job held to limits: a converter that crashes, hangs or eats the memory
costs its own candidate and no more."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO

import msgspec

from edgeproof.formats.worker import Job, Outcome, Started, building_folder
from edgeproof.process import Child, Limits, Watch, kill_group, module_command

__all__ = ["run_jobs"]

POLL_SECONDS = 0.1
Messages = queue.Queue[bytes | None]


def run_jobs(
    jobs: Sequence[Job], limits: Limits, *, parallel: int, report: Callable[[Outcome], None] = lambda _: None
) -> dict[str, Outcome]:
    """Run every job; jobs of one format share a worker, ``parallel`` formats run at a time.

    Args:
        jobs: in the order that each format's are done in.
        limits: for each of them, its converter's imports included.
        parallel: formats at a time.
        report: called from worker threads as each outcome arrives.

    Returns:
        candidate → outcome; every job has one.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.format, []).append(job)
    outcomes: dict[str, Outcome] = {}

    def convert_group(group: list[Job]) -> None:
        waiting = list(group)
        while waiting:
            for job, outcome in _worked(list(waiting), limits):
                waiting.remove(job)
                outcomes[job.candidate] = outcome
                report(outcome)

    with ThreadPoolExecutor(max_workers=max(1, parallel)) as pool:
        for future in [pool.submit(convert_group, group) for group in groups.values()]:
            future.result()
    return outcomes


def _worked(jobs: Sequence[Job], limits: Limits) -> Iterator[tuple[Job, Outcome]]:
    """Feed jobs to one worker until all are done or it has to be replaced; the first job always gets an outcome."""
    messages: Messages = queue.Queue()
    with Child(module_command("edgeproof.formats.worker", jobs[0].format), talks=True) as worker:
        pump = threading.Thread(target=_pump, args=(worker.stdout, messages), daemon=True)
        pump.start()
        try:
            for number, job in enumerate(jobs):
                try:
                    worker.stdin.write(msgspec.json.encode(job) + b"\n")
                    worker.stdin.flush()
                except OSError:
                    if number == 0:
                        yield job, _died(worker, job)
                    return
                outcome, healthy = _awaited(worker, job, limits, messages)
                shutil.rmtree(building_folder(job), ignore_errors=True)
                yield job, outcome
                if not healthy:
                    return
        finally:
            worker.stop()
            pump.join()


def _awaited(worker: Child, job: Job, limits: Limits, messages: Messages) -> tuple[Outcome, bool]:
    """The outcome of a job, and whether the worker can take another."""
    watch = Watch(worker.pid, limits)
    child: int | None = None
    while True:
        try:
            raw = messages.get(timeout=POLL_SECONDS)
        except queue.Empty:
            reason = watch.exceeded()
            if reason is None:
                continue
            if child is not None:
                kill_group(child)
            worker.stop()
            remedy = "raise --limit-seconds or --limit-memory, or convert the one-step form"
            return _failed(job, reason, remedy, watch), False
        if raw is None:
            return _died(worker, job), False
        message = msgspec.json.decode(raw, type=Started | Outcome)
        if isinstance(message, Outcome):
            return message, True
        child = message.pid


def _failed(job: Job, reason: str, remedy: str, watch: Watch) -> Outcome:
    return Outcome(
        candidate=job.candidate,
        status="failed",
        reason=reason,
        remedy=remedy,
        seconds=watch.seconds,
        peak_memory_bytes=watch.peak_memory_bytes or None,
    )


def _died(worker: Child, job: Job) -> Outcome:
    return Outcome(
        candidate=job.candidate,
        status="failed",
        reason=f"the converter's process {worker.wait()}",
        remedy="run `edgeproof env` to see whether its packages are as required",
    )


def _pump(stream: IO[bytes], messages: Messages) -> None:
    for line in stream:
        messages.put(line)
    messages.put(None)
