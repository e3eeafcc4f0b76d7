"""A load that is held, over sessions whose errors are known."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from edgeproof.errors import ArtifactError, UsageError
from edgeproof.measure.heat import HeatWatch
from edgeproof.measure.holding import hold, window_of, windows


def test_marks_and_figures_are_of_the_same_stretch(tmp_path: Path) -> None:
    before = time.time_ns()
    held = hold(lambda _: time.sleep(0.002), [0], 0.6, 0.2, HeatWatch(tmp_path))
    assert before <= held.begin_unix_ns < held.end_unix_ns <= time.time_ns()
    assert (held.end_unix_ns - held.begin_unix_ns) / 1e9 == pytest.approx(held.seconds, rel=0.05)
    assert held.seconds == pytest.approx(0.6, abs=0.2)
    assert held.calls == sum(window.count for window in held.windows)
    assert held.mean_us * held.calls / 1e6 == pytest.approx(held.busy_share * held.seconds, rel=0.01)
    assert held.median_us >= 2000
    assert 0.5 < held.busy_share <= 1
    assert [round(window.start_s, 1) for window in held.windows] == [0.0, 0.2, 0.4]
    assert held.windows[0].p90_us is not None
    assert held.windows[0].resident_bytes is not None


def test_errors_are_counted_and_a_row_of_them_may_cross_windows(tmp_path: Path) -> None:
    begins: list[float] = []

    def call(_: int) -> None:
        begins.append(time.perf_counter())
        time.sleep(0.005)
        if 0.15 < begins[-1] - begins[0] < 0.25:
            raise RuntimeError("away")

    first, second = windows(call, [0], 0.4, 0.2, HeatWatch(tmp_path))
    assert first.errors > 0
    assert first.recovered_s is None
    assert second.errors > 0
    assert second.recovered_s is not None
    assert 0.08 < second.recovered_s < 0.2


def test_a_window_without_an_answer_ends_it_with_what_was_raised(tmp_path: Path) -> None:
    numbers = itertools.count()

    def call(_: int) -> None:
        time.sleep(0.001)
        if next(numbers) > 20:
            raise ValueError("it is gone")

    found = windows(call, [0], 0.5, 0.1, HeatWatch(tmp_path))
    assert next(found).errors > 0
    with pytest.raises(ArtifactError, match=r"none of \d+ calls .* gave an answer: ValueError: it is gone"):
        next(found)


def test_a_time_without_room_for_a_window_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no room"):
        next(windows(print, [0], 0.1, 1.0, HeatWatch(tmp_path)))


def test_a_twentieth_is_a_window_within_bounds() -> None:
    assert (window_of(60), window_of(3600), window_of(1)) == (3, 60, 0.1)
