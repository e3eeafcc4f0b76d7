"""A server's processes watched over time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from edgeproof.measure.usage import MOST_POINTS, UsageOverTime

BUSY = "print('go', flush=True)\nwhile True: pass"
IDLE = "print('go', flush=True); input()"
Spawn = Callable[[str], int]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    children: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> int:
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
        children.append(child)
        assert child.stdout is not None
        child.stdout.readline()
        return child.pid

    yield start
    for child in children:
        child.kill()
        child.communicate()


def test_a_busy_process_uses_a_core_and_a_sleeping_one_none(spawn: Spawn) -> None:
    with UsageOverTime([spawn(BUSY)], every_s=0.05, own_thread=True) as busy, UsageOverTime([spawn(IDLE)]) as idle:
        time.sleep(0.5)
    percent = busy.use().cpu_percent
    assert percent is not None
    assert 20 < percent < 110
    assert (idle.use().cpu_percent or 0) < 5
    assert len(busy.points()) >= 5
    assert all(20 < (point.cpu_percent or 0) < 130 for point in busy.points()[:-1])
    assert [point.seconds for point in busy.points()] == sorted(point.seconds for point in busy.points())
    assert all((point.memory_bytes or 0) > 1 << 20 for point in busy.points())


def test_two_processes_count_together(spawn: Spawn) -> None:
    one = spawn(IDLE)
    with UsageOverTime([one]) as alone, UsageOverTime([one, spawn(IDLE)]) as both:
        pass
    assert (both.use().peak_memory_bytes or 0) > 1.5 * (alone.use().peak_memory_bytes or 0)


def test_a_process_that_is_gone_has_no_figures() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with UsageOverTime([child.pid]) as usage:
        pass
    assert (usage.use().cpu_percent, usage.use().peak_memory_bytes) == (None, None)


def test_a_long_watch_keeps_a_bounded_number_of_points(spawn: Spawn) -> None:
    with UsageOverTime([spawn(IDLE)], every_s=0.001) as usage:
        for _ in range(5 * MOST_POINTS):
            usage.look()
    points = usage.points()
    assert MOST_POINTS / 2 < len(points) <= MOST_POINTS + 1
    assert usage.every_s > 0.001
    assert points[0].seconds < points[-1].seconds
