"""What is measured on a device, and in which order: over a transport that only counts what it is told."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgeproof.devices.base import Effort, Measured, Target
from edgeproof.devices.measuring import SEED, measure
from edgeproof.documents.device import DeviceClass
from edgeproof.documents.environment import Machine
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.errors import DeviceError
from edgeproof.measure.machine import read_machine
from edgeproof.phases.device import measure_devices
from edgeproof.process import Limits

DRAWN = "".join(turn for draw in [random.Random(SEED)] for _ in range(3) for turn in draw.sample("abc", 3))
"""The order of three rounds."""


class Carried:
    """Stands for a device at the other end of a cable; it leaves out the runner."""

    name = "double:1"
    device_class: DeviceClass = "android"
    emulated = False

    def __init__(self, *, breaks: str | None = None, lost: bool = False, percents: Sequence[float | None] = ()) -> None:
        self.put_there: list[Path] = []
        self.jobs: list[RunnerJob] = []
        self.limits: list[Limits] = []
        self._breaks, self._lost = breaks, lost
        self._percents = iter(percents)

    def available(self) -> str | None:
        return None

    def machine(self) -> Machine:
        return read_machine()

    def put(self, path: Path) -> str:
        self.put_there.append(path)
        return f"/there/{path.name}"

    def run(self, job: RunnerJob, limits: Limits) -> RunnerReport:
        if self._lost:
            raise DeviceError("the cable is out")
        self.jobs.append(job)
        self.limits.append(limits)
        error = "it broke" if job.artifact == self._breaks else None
        percent = next(self._percents, 100.0)
        return RunnerReport(artifact=job.artifact, error=error, steady_us=(1.0, 2.0), cpu_percent=percent)

    def get(self, path: str, to: Path) -> None:
        raise AssertionError("nothing is brought back but reports")


def taken(device: Carried, effort: Effort) -> tuple[list[Measured], list[str]]:
    lines: list[str] = []
    targets = [Target(name, Path(f"here/{name}")) for name in ("a", "b", "c")]
    return measure(device, targets, Path("here/samples.npz"), effort, lines.append), lines


def test_files_are_brought_once_and_jobs_speak_of_where_they_are() -> None:
    device = Carried()
    found, lines = taken(device, Effort(rounds=3, count=20, warmup=2, seconds=6.0, threads=4))
    assert [path.name for path in dict.fromkeys(device.put_there)] == ["samples.npz", "a", "b", "c"]
    assert [job.artifact for job in device.jobs] == [f"/there/{name}" for name in DRAWN]
    for job in device.jobs:
        assert (job.inputs, job.outputs) == ("/there/samples.npz", None)
        assert (job.measure, job.warmup, job.seconds, job.threads) == (20, 2, 2.0, 4)
    assert [len(measured.reports) for measured in found] == [3, 3, 3]
    assert lines[0] == f"double:1: {DRAWN[0]}, process 1 of 3"


def test_the_effort_s_limits_hold_for_each_process() -> None:
    device = Carried()
    taken(device, Effort(rounds=1, limits=Limits(seconds=7, memory_bytes=1 << 20)))
    assert device.limits == [Limits(seconds=7, memory_bytes=1 << 20)] * 3


def test_one_that_breaks_is_not_tried_again() -> None:
    device = Carried(breaks="/there/b")
    a, b, c = taken(device, Effort(rounds=2))[0]
    assert (a.failure, b.failure, c.failure) == (None, "it broke", None)
    assert (len(a.reports), len(b.reports), len(c.reports)) == (2, 0, 2)
    assert [job.artifact for job in device.jobs].count("/there/b") == 1


@pytest.mark.parametrize(
    ("percents", "kept", "said"),
    [
        ([99, 22, 99, 97], [99, 97, 99], ["22 % of a core while it was timed; measured again, it had 97 %"]),
        ([99, 22, 99, 18], [99, 22, 99], ["22 % of a core while it was timed; measured again, it had 18 %"]),
        ([None, 90, 120], [None, 90, 120], []),
    ],
)
def test_a_process_that_others_kept_waiting_is_measured_once_more(
    percents: list[float | None], kept: list[float | None], said: list[str]
) -> None:
    by_name = dict(zip("abc", percents, strict=False))
    device = Carried(percents=[*(by_name[name] for name in DRAWN[:3]), *percents[3:]])
    measured, lines = taken(device, Effort(rounds=1))
    assert [report.cpu_percent for candidate in measured for report in candidate.reports] == kept
    assert [line.partition("had ")[2] for line in lines if " is busy: b " in line] == said
    assert len(device.jobs) == len(percents)


def test_each_pace_has_processes_of_its_own_and_more_time() -> None:
    device = Carried()
    effort = Effort(rounds=2, count=100, paces=(0.033, 1.0), hold=60.0)
    measured, _ = taken(device, effort)
    first = [job for job in device.jobs if job.artifact == "/there/a"]
    assert [(job.pace, job.measure, job.hold) for job in first] == 2 * [
        (None, 100, 60.0),
        (0.033, 100, None),
        (1.0, 33, None),
    ]
    assert [(at.pace_s, len(at.reports)) for at in measured[0].paced] == [(0.033, 2), (1.0, 2)]
    allowed = [limits.wall for job, limits in zip(device.jobs, device.limits, strict=True) if job.artifact[-1] == "a"]
    assert allowed[0] == effort.limits.wall + 60
    assert allowed[2] >= effort.limits.wall + 33
    assert first[2].seconds is not None
    assert first[2].seconds > 36


def test_an_emulated_device_is_not_measured_at_a_pace() -> None:
    device = Carried()
    device.emulated = True
    measured, _ = taken(device, Effort(rounds=1, paces=(0.033,)))
    assert [at.reports for at in measured[0].paced] == [()]
    assert {job.pace for job in device.jobs} == {None}


def test_a_device_that_is_lost_is_an_error() -> None:
    with pytest.raises(DeviceError, match="the cable is out"):
        taken(Carried(lost=True), Effort())


def test_the_effort_that_is_documented_is_the_default() -> None:
    told = inspect.getdoc(measure_devices) or ""
    found = re.search(r"by default (\d+) fresh processes of (\d+) calls each, (\d+) s at most per candidate", told)
    assert found is not None
    effort = Effort()
    assert tuple(map(int, found.groups())) == (effort.rounds, effort.count, effort.seconds)
