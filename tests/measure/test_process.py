"""Memory and processor time of real processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from edgeproof.measure.process import busy_seconds, memory_of, own_memory, peak_memory_bytes

HUNGRY = "x = bytearray(100 << 20); del x; print('done', flush=True); input()"


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


def test_our_own_memory_is_known() -> None:
    memory = own_memory()
    assert memory.peak_bytes is not None
    assert memory.resident_bytes is not None
    assert memory.peak_bytes >= memory.resident_bytes > 1 << 20


def test_several_processes_are_summed_and_what_is_gone_is_nothing(spawn) -> None:
    one, other = (spawn("print(1, flush=True); input()") for _ in range(2))
    both = memory_of([one.pid, other.pid]).resident_bytes
    assert both is not None
    assert both == pytest.approx(sum(memory_of([child.pid]).resident_bytes or 0 for child in (one, other)), rel=0.05)
    gone = spawn("print(1, flush=True)")
    gone.communicate()
    assert memory_of([gone.pid]) == (None, None)
    assert busy_seconds([gone.pid]) is None
    assert (busy_seconds([one.pid, gone.pid]) or 0) > 0
