"""The measurement of candidates on a device, whichever it is: files are brought there, then every candidate takes its
turn in rounds, in an order drawn anew for each, so that all of them see the same period of the device."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from edgeproof.timeline import measuring

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
    turns = Turns(device, inputs, effort, journal or Journal(), report)
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
            began = time.monotonic()
            told = turns.take(target, jobs[target], index)
            if told.error:
                failures[target] = told.error
            else:
                reports[target].append(told)
                for pace, so_far in paced[target].items():
                    paced[target][pace] = turns.at_pace(target, jobs[target], index, so_far)
            seconds[target] += time.monotonic() - began
            if told.error or index + 1 == effort.rounds:
                outcome = "failed" if told.error else "measured"
                ended += 1
                count = f"({ended} of {len(order)})"
                report(f"{device.name}: {_name(target)}: {outcome} in {seconds[target]:.1f} s {count}")
    for target in order:
        if target not in failures:
            job, first = jobs[target], reports[target]
            reports[target] = [turns.again(target, job, told) for told in first]
    lasting = turns.sustained({target: (jobs[target], reports[target]) for target in order if target not in failures})
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


@dataclass(frozen=True)
class Turns:
    """One job after the other on a device; what was made before is taken from the journal."""

    device: Device
    inputs: Path
    effort: Effort
    journal: Journal
    report: Report

    def take(self, target: Target, job: RunnerJob, turn: int) -> RunnerReport:
        """A turn's report.

        Raises:
            DeviceError: the device was lost, and did not come back.
        """
        told = self.journal.kept(target, job, turn)
        if told is None:
            at = "" if job.pace is None else f" every {1e3 * job.pace:g} ms"
            count = "" if job.hold is not None and not job.measure else f", process {turn + 1} of {self.effort.rounds}"
            self.report(f"{self.device.name}: {_name(target)}{at}{count}")
            told = patiently(partial(self._run, target, job), self.report)
            self.journal.keep(target, job, turn, told)
        return told

    def _run(self, target: Target, job: RunnerJob) -> RunnerReport:
        """The job, with its files there: they are brought anew where the device was lost meanwhile."""
        files = {"artifact": self.device.put(target.artifact), "inputs": self.device.put(target.inputs or self.inputs)}
        job = msgspec.structs.replace(job, **files)
        with measuring(f"measure {_name(target)} on {self.device.name}"):
            return self.device.run(job, room(self.effort.limits, job))

    def at_pace(self, target: Target, job: RunnerJob, turn: int, so_far: AtPace) -> AtPace:
        """One more process at the pace; none where one has failed, or where times are not the device's own."""
        if so_far.failure is not None or self.device.emulated:
            return so_far
        count = self.effort.at_pace(so_far.pace_s)
        seconds = self.effort.seconds / self.effort.rounds + 2 * count * so_far.pace_s
        job = msgspec.structs.replace(job, pace=so_far.pace_s, hold=None, measure=count, seconds=seconds)
        told = self.take(target, job, turn)
        if told.error:
            return replace(so_far, failure=told.error)
        return replace(so_far, reports=(*so_far.reports, told))

    def again(self, target: Target, job: RunnerJob, told: RunnerReport) -> RunnerReport:
        """The report, or that of another process where others took this one's processor and left more to that one."""
        if self.device.emulated or not starved(told.cpu_percent):
            return told
        again = patiently(partial(self._run, target, job), self.report)
        better = not again.error and (again.cpu_percent or 0.0) > (told.cpu_percent or 0.0)
        self.report(
            f"warning: {self.device.name} is busy: {_name(target)} had {told.cpu_percent:.0f} % of a core while it was "
            f"timed; measured again, it had {again.cpu_percent or 0:.0f} %"
        )
        return again if better else told

    def sustained(
        self, known: Mapping[Target, tuple[RunnerJob, Sequence[RunnerReport]]]
    ) -> dict[Target, Sustained | str]:
        """Each candidate under load, on its fastest count of threads; nothing where that was not asked for."""
        if self.effort.sustained is None or self.device.emulated:
            return {}
        best: dict[str, Target] = {}
        medians = {target: _median(told) for target, (_, told) in known.items()}
        for target in known:
            first = best.setdefault(target.candidate, target)
            if medians[target] < medians[first]:
                best[target.candidate] = target
        jobs = {candidate: known[target][0] for candidate, target in best.items()}
        told = sustain(
            self.device.name,
            jobs,
            self.effort.sustained,
            lambda candidate, job: self.take(best[candidate], job, 0),
            self.report,
        )
        return {best[candidate]: found for candidate, found in told.items()}


def _median(reports: Sequence[RunnerReport]) -> float:
    values = [value for told in reports for value in told.steady_us]
    return statistics.median(values) if values else math.inf


def _name(target: Target) -> str:
    """As progress tells it."""
    if target.threads is None:
        return target.candidate
    return f"{target.candidate} on {target.threads} thread{'s' * (target.threads > 1)}"
