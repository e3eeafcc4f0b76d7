"""A soak over a session whose drift is known."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.session import DoubleSession

from edgeproof.errors import UsageError
from edgeproof.measure.feeds import random_feeds
from edgeproof.measure.soak import soak


class Tiring(DoubleSession):
    """Ten times slower after a while, like a device that throttles."""

    def __init__(self) -> None:
        super().__init__()
        self._begin = time.perf_counter()

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        time.sleep(0.001 if time.perf_counter() - self._begin < 0.4 else 0.01)
        return super().run(inputs)


def test_a_device_that_slows_down_shows_it(tmp_path: Path) -> None:
    session = Tiring()
    report = soak(
        session, random_feeds(session.inputs, count=2), artifact="a", seconds=0.8, window_seconds=0.2, root=tmp_path
    )
    assert len(report.windows) == 4
    assert report.drift > 3
    assert report.count == sum(window.count for window in report.windows)
    assert set(report.not_measured) == {"energy", "temperature", "throttling"}


def test_windows_are_in_order_and_carry_the_temperature(tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0/temp"
    zone.parent.mkdir(parents=True)
    zone.write_text("48000\n")
    session = DoubleSession(delay_s=0.001)
    lines: list[str] = []
    report = soak(
        session,
        random_feeds(session.inputs, count=2),
        artifact="a",
        seconds=0.4,
        window_seconds=0.1,
        root=tmp_path,
        report=lines.append,
    )
    assert [window.temperature_c for window in report.windows] == [48.0] * 4
    assert len(lines) == 4
    assert report.windows[1].start_s == pytest.approx(0.1, abs=0.05)


def test_a_soak_without_two_windows_is_refused() -> None:
    session = DoubleSession()
    with pytest.raises(UsageError, match="no two windows"):
        soak(session, random_feeds(session.inputs, count=1), artifact="a", seconds=1, window_seconds=0.8)
