"""Candidates under load for a time: over a transport that only counts, and on this host."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeproof.devices.base import Effort, Target
from edgeproof.devices.host import HostDevice
from edgeproof.devices.measuring import measure
from edgeproof.devices.sustaining import BAND_C, sustain
from edgeproof.documents.held import Held
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.documents.soak import SoakWindow
from edgeproof.documents.sustained import Sustained


class Warming:
    """Stands for a board that warms up: its n-th job starts at the n-th temperature, with the medians of its artifact.
    It leaves out the runner, and files."""

    def __init__(self, starts: list[float | None], medians: dict[str, list[float]]) -> None:
        self.jobs: list[RunnerJob] = []
        self._starts, self._medians = iter(starts), medians

    def run(self, candidate: str, job: RunnerJob) -> RunnerReport:
        assert candidate == job.artifact
        self.jobs.append(job)
        if job.artifact == "broken":
            return RunnerReport(artifact=job.artifact, error="it broke")
        windows = tuple(
            SoakWindow(start_s=n, count=10, median_us=median, max_us=median, temperature_c=None, resident_bytes=None)
            for n, median in enumerate(self._medians[job.artifact])
        )
        held = Held(
            seconds=3.0, calls=30, begin_unix_ns=1, end_unix_ns=2, median_us=1, mean_us=1, busy_share=1, windows=windows
        )
        return RunnerReport(artifact=job.artifact, held=held, temperature_before_c=next(self._starts), waited_s=4.0)


def jobs(*names: str) -> dict[str, RunnerJob]:
    return {name: RunnerJob(artifact=name, inputs="s", measure=100, pace=0.1) for name in names}


def test_each_begins_within_a_band_of_the_first_and_has_a_place_at_both_ends() -> None:
    device = Warming([40.0, 41.0, 45.0], {"a": [1, 5], "b": [3, 3], "c": [2, 4]})
    found = sustain("board", jobs("a", "b", "c"), 300.0, device.run, print)
    assert [(job.measure, job.pace, job.hold, job.window, job.below) for job in device.jobs] == [
        (0, None, 300.0, 60.0, None),
        (0, None, 300.0, 60.0, 40.0 + BAND_C),
        (0, None, 300.0, 60.0, 40.0 + BAND_C),
    ]
    told = {name: taken for name, taken in found.items() if isinstance(taken, Sustained)}
    assert {name: (taken.rank_first, taken.rank_last) for name, taken in told.items()} == {
        "a": (1, 3),
        "b": (3, 1),
        "c": (2, 2),
    }
    assert [taken.cool for taken in told.values()] == [True, True, False]
    assert told["c"].waited_s == 4.0
    assert told["a"].slowed == 5


def test_one_that_breaks_costs_itself() -> None:
    device = Warming([None, None], {"a": [1.0], "b": [2.0]})
    found = sustain("board", jobs("a", "broken", "b"), 10.0, device.run, print)
    assert found["broken"] == "it broke"
    kept = [taken for taken in found.values() if isinstance(taken, Sustained)]
    assert [(taken.rank_last, taken.ranked, taken.cool) for taken in kept] == [(1, 2, None), (2, 2, None)]
    assert {job.below for job in device.jobs} == {None}, "without a temperature there is nothing to wait for"


def test_this_host_under_load(artifact: Path, samples: Path) -> None:
    effort = Effort(rounds=1, count=20, warmup=2, seconds=1.0, paces=(0.005,), hold=0.2, sustained=1.0)
    lines: list[str] = []
    (measured,) = measure(HostDevice(), [Target("tiny", artifact)], samples, effort, lines.append)
    assert measured.failure is None
    assert [len(at.reports) for at in measured.paced] == [1]
    assert measured.reports[0].held is not None
    assert isinstance(measured.sustained, Sustained)
    assert measured.sustained.seconds == pytest.approx(1.0, abs=0.3)
    assert len(measured.sustained.windows) == 5
    assert (measured.sustained.rank_first, measured.sustained.rank_last) == (1, 1)
    assert any("under load (1 of 1)" in line for line in lines)
