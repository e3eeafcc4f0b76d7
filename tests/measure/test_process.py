"""Memory and processor time of real processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from edgeproof.measure.process import ProcessSampler, own_memory, peak_memory_bytes

HUNGRY = "x = bytearray(100 << 20); del x; print('done', flush=True); input()"
BUSY = "print('go', flush=True)\nwhile True: pass"


@pytest.fixture
def spawn() -> Iterator[object]:
    children: list[subprocess.Popen[str]] = []

    def start(code: str) -> subprocess.Popen[str]:
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout is not None
        child.stdout.readline()
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()


def test_the_peak_stays_after_the_memory_is_given_back(spawn) -> None:
    peak = peak_memory_bytes(spawn(HUNGRY).pid)
    assert peak is not None
    assert 100 << 20 < peak < 200 << 20


def test_a_fresh_process_does_not_inherit_our_peak(spawn) -> None:
    ballast = bytearray(200 << 20)
    peak = peak_memory_bytes(spawn("print(1, flush=True); input()").pid)
    assert len(ballast) > 0
    assert peak is not None
    assert peak < 100 << 20


def test_a_busy_process_uses_a_core_and_a_sleeping_one_none(spawn) -> None:
    busy, idle = ProcessSampler(spawn(BUSY).pid), ProcessSampler(spawn("print(1, flush=True); input()").pid)
    for sampler in (busy, idle):
        sampler.start()
    time.sleep(0.5)
    for sampler in (busy, idle):
        sampler.stop()
    percent = busy.use().cpu_percent
    assert percent is not None
    assert 20 < percent < 110
    assert (idle.use().cpu_percent or 0) < 5


def test_a_process_that_is_gone_has_no_figures(spawn) -> None:
    child = spawn("print(1, flush=True)")
    child.communicate()
    sampler = ProcessSampler(child.pid)
    sampler.start()
    sampler.stop()
    use = sampler.use()
    assert (use.cpu_percent, use.peak_memory_bytes) == (None, None)


def test_our_own_memory_is_known() -> None:
    memory = own_memory()
    assert memory.peak_bytes is not None
    assert memory.resident_bytes is not None
    assert memory.peak_bytes >= memory.resident_bytes > 1 << 20
