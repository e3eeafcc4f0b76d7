"""Runs conversion jobs in worker processes, with a time and memory limit each: a converter that crashes, hangs or eats
the memory costs its own candidate and no more."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

import msgspec

from edgeproof.formats.worker import Job, Outcome, Started, building_folder

__all__ = ["Limits", "run_jobs", "worker_environment"]

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Limits:
    """For one conversion.

    Attributes:
        seconds: wall time, converter imports included.
        memory_bytes: resident memory.
    """

    seconds: float = 300.0
    memory_bytes: int = 8 << 30


def worker_environment() -> dict[str, str]:
    """The environment of converter and runtime processes: quiet, offline, no telemetry, one thread each."""
    return {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OPENVINO_TELEMETRY_ENABLE": "0",
        "PYTHONWARNINGS": "ignore",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def run_jobs(
    jobs: Sequence[Job], limits: Limits, *, parallel: int, report: Callable[[Outcome], None] = lambda _: None
) -> dict[str, Outcome]:
    """Run every job; jobs of one format share a worker, ``parallel`` formats run at a time.

    Args:
        jobs: in the order that each format's are done in.
        limits: for each of them.
        parallel: formats at a time.
        report: called from worker threads as each outcome arrives.

    Returns:
        candidate → outcome; every job has one.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.format, []).append(job)
    outcomes: dict[str, Outcome] = {}

    def one_format(group: list[Job]) -> None:
        waiting = list(group)
        while waiting:
            for job, outcome in _one_worker(list(waiting), limits):
                waiting.remove(job)
                outcomes[job.candidate] = outcome
                report(outcome)

    with ThreadPoolExecutor(max_workers=max(1, parallel)) as pool:
        for future in [pool.submit(one_format, group) for group in groups.values()]:
            future.result()
    return outcomes


def _one_worker(jobs: Sequence[Job], limits: Limits) -> Iterator[tuple[Job, Outcome]]:
    """Feed jobs to one worker until all are done or it has to be replaced; the first job always gets an outcome."""
    complaints = tempfile.TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeproof.formats.worker", jobs[0].format],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        env=worker_environment(),
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    messages: queue.Queue[bytes | None] = queue.Queue()
    pump = threading.Thread(target=_pump, args=(process.stdout, messages), daemon=True)
    pump.start()
    try:
        for number, job in enumerate(jobs):
            try:
                process.stdin.write(msgspec.json.encode(job) + b"\n")
                process.stdin.flush()
            except OSError:
                if number == 0:
                    yield job, _died(process, job, complaints)
                return
            outcome, healthy = _await(process, job, limits, messages, complaints)
            shutil.rmtree(building_folder(job), ignore_errors=True)
            yield job, outcome
            if not healthy:
                return
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        _kill_group(process.pid)
        process.wait()
        pump.join()
        complaints.close()


def _await(
    process: subprocess.Popen[bytes],
    job: Job,
    limits: Limits,
    messages: queue.Queue[bytes | None],
    complaints: IO[bytes],
) -> tuple[Outcome, bool]:
    """The outcome of a job, and whether the worker can take another."""
    import psutil

    began = time.monotonic()
    child: psutil.Process | None = None
    peak = 0
    while True:
        with contextlib.suppress(queue.Empty):
            raw = messages.get(timeout=POLL_SECONDS)
            if raw is None:
                return _died(process, job, complaints), False
            message = msgspec.json.decode(raw, type=Started | Outcome)
            if isinstance(message, Outcome):
                return message, True
            with contextlib.suppress(psutil.Error):
                child = psutil.Process(message.pid)
            continue
        elapsed = time.monotonic() - began
        if child is not None:
            with contextlib.suppress(psutil.Error):
                peak = max(peak, child.memory_info().rss)
        reason = None
        if elapsed > limits.seconds:
            reason = f"stopped after {limits.seconds:.0f} s, the limit for one conversion"
        elif peak > limits.memory_bytes:
            reason = f"stopped at {peak / 2**30:.1f} GiB of memory; the limit is {limits.memory_bytes / 2**30:.1f} GiB"
        if reason:
            if child is not None:
                _kill_group(child.pid)
            _kill_group(process.pid)
            return (
                Outcome(
                    candidate=job.candidate,
                    status="failed",
                    reason=reason,
                    remedy="raise --limit-seconds or --limit-memory, or convert the one-step form",
                    seconds=elapsed,
                    peak_memory_bytes=peak or None,
                ),
                False,
            )


def _died(process: subprocess.Popen[bytes], job: Job, complaints: IO[bytes]) -> Outcome:
    process.wait()
    complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - 4096))
    said = complaints.read().decode(errors="replace").strip().splitlines()
    return Outcome(
        candidate=job.candidate,
        status="failed",
        reason=f"the converter's process ended ({process.returncode}): {said[-1] if said else 'it said nothing'}",
        remedy="run `edgeproof env` to see whether its packages are as required",
    )


def _pump(stream: IO[bytes], messages: queue.Queue[bytes | None]) -> None:
    with stream:
        for line in stream:
            messages.put(line)
    messages.put(None)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
