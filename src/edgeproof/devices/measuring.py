"""The measurement of candidates on a device, whichever it is: files are brought there, then every candidate takes its
turn in rounds, in an order drawn anew for each, so that all of them see the same period of the device."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from edgeproof.devices.base import Device, Effort, Measured, Report, Target
from edgeproof.documents.base import decode, encode, plain_name
from edgeproof.documents.latency import starved
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.errors import DeviceError, DocumentError
from edgeproof.files import write_bytes

__all__ = ["Journal", "measure", "patiently"]

Given = TypeVar("Given")

SEED = 0
"""Of the order in which candidates take their turns."""
WAITS_S = (2.0, 10.0, 30.0)
"""Before a lost device is tried again."""


class Journal:
    """Reports as they were made, so that a measurement that ends early goes on where it stopped.

    Args:
        folder: None: nothing is kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def kept(self, target: Target, job: RunnerJob, turn: int) -> RunnerReport | None:
        """The report of a turn that was made before, of the very same job."""
        path = self._path(target, job, turn)
        if path is None or not path.is_file():
            return None
        try:
            return decode(path.read_bytes(), RunnerReport)
        except DocumentError:
            return None

    def keep(self, target: Target, job: RunnerJob, turn: int, report: RunnerReport) -> None:
        """Write a report down, whole or not at all."""
        path = self._path(target, job, turn)
        if path is not None:
            write_bytes(path, encode(report))

    def _path(self, target: Target, job: RunnerJob, turn: int) -> Path | None:
        if self._folder is None:
            return None
        effort = f"{job.measure}-{job.warmup}-{job.threads}"
        return self._folder / f"{plain_name(target.candidate)}-{effort}-{turn}.json"


def measure(
    device: Device,
    targets: Sequence[Target],
    inputs: Path,
    effort: Effort,
    report: Report,
    *,
    trust: bool = False,
    journal: Journal | None = None,
) -> list[Measured]:
    """Measure the targets, each round in another order. One that fails costs itself only.

    Args:
        device: where.
        targets: what; the first is the baseline.
        inputs: npz of samples, on this machine.
        effort: how hard.
        report: progress.
        trust: whether artifacts that this user did not make may run code there.
        journal: keeps what was measured; None: nothing does.

    Raises:
        DeviceError: the device itself was lost, and did not come back.
    """
    journal = journal or Journal()
    samples = device.put(inputs)
    jobs = {
        target: RunnerJob(
            artifact=device.put(target.artifact),
            inputs=samples if target.inputs is None else device.put(target.inputs),
            measure=effort.count,
            warmup=effort.warmup,
            seconds=effort.seconds / effort.rounds,
            threads=target.threads or effort.threads,
            trust=trust,
        )
        for target in targets
    }
    reports: dict[Target, list[RunnerReport]] = {target: [] for target in jobs}
    seconds = dict.fromkeys(jobs, 0.0)
    failures: dict[Target, str] = {}
    order, ended = list(jobs), 0
    drawn = random.Random(SEED)
    for index in range(effort.rounds):
        for target in drawn.sample(order, len(order)):
            if target in failures:
                continue
            told = journal.kept(target, jobs[target], index)
            if told is None:
                report(f"{device.name}: {_name(target)}, process {index + 1} of {effort.rounds}")
                began = time.monotonic()
                told = patiently(partial(device.run, jobs[target], effort.limits), report)
                seconds[target] += time.monotonic() - began
                journal.keep(target, jobs[target], index, told)
            if told.error:
                failures[target] = told.error
            else:
                reports[target].append(told)
            if told.error or index + 1 == effort.rounds:
                outcome = "failed" if told.error else "measured"
                ended += 1
                count = f"({ended} of {len(order)})"
                report(f"{device.name}: {_name(target)}: {outcome} in {seconds[target]:.1f} s {count}")
    for target in order:
        if target not in failures:
            job, first = jobs[target], reports[target]
            reports[target] = [_again(device, _name(target), job, told, effort, report) for told in first]
    return [
        Measured(target.candidate, tuple(reports[target]), failures.get(target), target.threads) for target in order
    ]


def patiently(work: Callable[[], Given], report: Report) -> Given:
    """Do work on a device; where it is lost meanwhile, wait for it to come back, and do the work anew.

    Args:
        work: that may be done twice, such as a process that starts afresh.

    Raises:
        DeviceError: it did not come back.
    """
    for wait_s in WAITS_S:
        try:
            return work()
        except DeviceError as error:
            report(f"warning: {error}; trying again in {wait_s:g} s")
            time.sleep(wait_s)
    return work()


def _name(target: Target) -> str:
    """As progress tells it."""
    if target.threads is None:
        return target.candidate
    return f"{target.candidate} on {target.threads} thread{'s' * (target.threads > 1)}"


def _again(
    device: Device, candidate: str, job: RunnerJob, told: RunnerReport, effort: Effort, report: Report
) -> RunnerReport:
    """The report, or that of another process where others took this one's processor and left more to that one."""
    if device.emulated or not starved(told.cpu_percent):
        return told
    again = device.run(job, effort.limits)
    better = not again.error and (again.cpu_percent or 0.0) > (told.cpu_percent or 0.0)
    report(
        f"warning: {device.name} is busy: {candidate} had {told.cpu_percent:.0f} % of a core while it was timed; "
        f"measured again, it had {again.cpu_percent or 0:.0f} %"
    )
    return again if better else told
