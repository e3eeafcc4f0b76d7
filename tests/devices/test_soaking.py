"""A soak over a device, in processes of this host; a link that breaks and an artifact that dies stand between."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edgeproof.devices import soaking as room
from edgeproof.devices.host import HostDevice
from edgeproof.devices.soaking import soak_on
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.documents.soak import SoakReport
from edgeproof.errors import DeviceError
from edgeproof.measure.soak import SoakLength, begun
from edgeproof.process import Limits


class Linked(HostDevice):
    """Stands for a board behind a link, which runs its jobs on this host; it leaves out files. Turns of the numbers
    given are lost, or die."""

    name = "double:1"

    def __init__(self, *, lost: tuple[int, ...] = (), dead: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.turns = 0
        self._lost, self._dead = lost, dead

    def run(self, job: RunnerJob, limits: Limits) -> RunnerReport:
        turn, self.turns = self.turns, self.turns + 1
        if turn in self._lost:
            time.sleep(0.05)
            raise DeviceError("the link is gone")
        if turn in self._dead:
            return RunnerReport(artifact=job.artifact, error="the process was killed by signal 9")
        return super().run(job, limits)


@pytest.fixture
def job(artifact: Path, samples: Path) -> RunnerJob:
    return RunnerJob(artifact=str(artifact), inputs=str(samples), warmup=5)


def start(seconds: float = 1.2) -> SoakReport:
    return begun("a", SoakLength(seconds, 0.2))


def test_it_goes_on_from_process_to_process(job: RunnerJob) -> None:
    kept: list[SoakReport] = []
    seen = soak_on(Linked(), job, start(), chunk_s=0.6, keep=kept.append)
    assert not seen.partial
    assert [segment.number for segment in seen.segments] == [0, 1]
    assert [window.segment for window in seen.windows] == [0] * 3 + [1] * 3
    assert seen.seconds == pytest.approx(1.2, abs=0.2)
    assert seen.count == sum(segment.calls for segment in seen.segments)
    assert [report.partial for report in kept][-1] is False
    assert kept[0].partial


def test_a_link_that_is_lost_costs_a_process_and_its_time_is_told(job: RunnerJob, monkeypatch) -> None:
    monkeypatch.setattr(room, "WAITS_S", (0.05, 0.1))
    lines: list[str] = []
    seen = soak_on(Linked(lost=(1, 2)), job, start(), chunk_s=0.6, report=lines.append)
    assert not seen.partial
    assert len(seen.segments) == 2
    (outage,) = seen.outages
    assert outage.reason == "the link is gone"
    assert outage.lost_s >= 0.05
    assert outage.seconds is not None
    assert 0.2 <= outage.seconds < 5
    assert outage.start_s == seen.segments[0].seconds
    assert sum(line.startswith("warning: the link is gone") for line in lines) == 2


def test_a_device_that_stays_away_leaves_what_was_seen_to_go_on_with(job: RunnerJob, monkeypatch) -> None:
    monkeypatch.setattr(room, "WAITS_S", (0.05,))
    seen = soak_on(Linked(lost=tuple(range(1, 100))), job, start(), chunk_s=0.6, away_s=0.3)
    assert seen.partial
    assert seen.outages[0].seconds is None
    assert len(seen.windows) == 3
    again = soak_on(Linked(), job, seen, chunk_s=0.6)
    assert not again.partial
    assert len(again.windows) == 6
    with pytest.raises(DeviceError, match="nothing could be soaked: the link is gone"):
        soak_on(Linked(lost=tuple(range(100))), job, start(), chunk_s=0.6, away_s=0.1)


def test_processes_that_die_are_errors_and_three_in_a_row_end_it(job: RunnerJob) -> None:
    seen = soak_on(Linked(dead=(1,)), job, start(), chunk_s=0.6)
    assert not seen.partial
    assert seen.errors == 1
    assert [segment.fault for segment in seen.segments] == [None, "the process was killed by signal 9", None]
    dead = soak_on(Linked(dead=(1, 2, 3, 4)), job, start(), chunk_s=0.6)
    assert dead.partial
    assert dead.errors == 3


def test_an_emulated_device_is_not_soaked(job: RunnerJob) -> None:
    device = Linked()
    device.emulated = True
    with pytest.raises(DeviceError, match="is emulated"):
        soak_on(device, job, start())
