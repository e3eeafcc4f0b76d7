"""The measurement of candidates on a device, whichever it is: files are brought there, then every candidate takes its
turn in rounds, in an order drawn anew for each, so that all of them see the same period of the device."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from edgeproof.devices.base import AtPace, Device, Effort, Measured, Report, Target
from edgeproof.devices.journal import Journal
from edgeproof.devices.patience import patiently
from edgeproof.devices.room import room
from edgeproof.devices.sustaining import sustain
from edgeproof.documents.latency import starved
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.documents.sustained import Sustained

__all__ = ["measure"]

SEED = 0
"""Of the order in which candidates take their turns."""


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
            hold=effort.hold,
            threads=target.threads or effort.threads,
            trust=trust,
        )
        for target in targets
    }
    reports: dict[Target, list[RunnerReport]] = {target: [] for target in jobs}
    paced = {target: {pace: AtPace(pace, ()) for pace in effort.paces} for target in jobs}
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
                told = patiently(partial(device.run, jobs[target], room(effort.limits, jobs[target])), report)
                seconds[target] += time.monotonic() - began
                journal.keep(target, jobs[target], index, told)
            if told.error:
                failures[target] = told.error
            else:
                reports[target].append(told)
                for pace, so_far in paced[target].items():
                    paced[target][pace] = _at_pace(device, jobs[target], so_far, effort)
            if told.error or index + 1 == effort.rounds:
                outcome = "failed" if told.error else "measured"
                ended += 1
                count = f"({ended} of {len(order)})"
                report(f"{device.name}: {_name(target)}: {outcome} in {seconds[target]:.1f} s {count}")
    for target in order:
        if target not in failures:
            job, first = jobs[target], reports[target]
            reports[target] = [_again(device, _name(target), job, told, effort, report) for told in first]
    lasting: dict[Target, Sustained | str] = {}
    if effort.sustained is not None and not device.emulated:
        fastest = _fastest({target: reports[target] for target in order if target not in failures})
        told_of = sustain(
            device,
            {target.candidate: jobs[target] for target in fastest},
            effort.sustained,
            effort.limits,
            report,
        )
        lasting = {target: told_of[target.candidate] for target in fastest}
    return [
        Measured(
            target.candidate,
            tuple(reports[target]),
            failures.get(target),
            target.threads,
            tuple(paced[target].values()),
            lasting.get(target),
        )
        for target in order
    ]


def _fastest(reports: Mapping[Target, Sequence[RunnerReport]]) -> list[Target]:
    """Per candidate the count of threads with the lowest median."""
    best: dict[str, tuple[float, Target]] = {}
    for target, told in reports.items():
        values = [value for found in told for value in found.steady_us]
        median = statistics.median(values) if values else math.inf
        if target.candidate not in best or median < best[target.candidate][0]:
            best[target.candidate] = (median, target)
    return [target for _, target in best.values()]


def _at_pace(device: Device, job: RunnerJob, so_far: AtPace, effort: Effort) -> AtPace:
    """One more process at the pace; none where one has failed, or where times are not the device's own."""
    if so_far.failure is not None or device.emulated:
        return so_far
    count = effort.at_pace(so_far.pace_s)
    seconds = effort.seconds / effort.rounds + 2 * count * so_far.pace_s
    job = msgspec.structs.replace(job, pace=so_far.pace_s, hold=None, measure=count, seconds=seconds)
    told = device.run(job, room(effort.limits, job))
    if told.error:
        return replace(so_far, failure=told.error)
    return replace(so_far, reports=(*so_far.reports, told))


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
    again = device.run(job, room(effort.limits, job))
    better = not again.error and (again.cpu_percent or 0.0) > (told.cpu_percent or 0.0)
    report(
        f"warning: {device.name} is busy: {candidate} had {told.cpu_percent:.0f} % of a core while it was timed; "
        f"measured again, it had {again.cpu_percent or 0:.0f} %"
    )
    return again if better else told
