"""A soak over a session whose drift is known."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.doubles.session import DoubleSession

from edgeproof.errors import UsageError
from edgeproof.measure.soak import SoakLength, gone_on_with, keeper, soak
from edgeproof.model.samples import Call, calls_of, synthetic_samples


class Tiring(DoubleSession):
    """Ten times slower after a while, like a device that throttles."""

    def __init__(self) -> None:
        super().__init__()
        self._begin: float | None = None

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        self._begin = self._begin or time.perf_counter()
        time.sleep(0.001 if time.perf_counter() - self._begin < 0.5 else 0.01)
        return super().run(inputs)


def calls(session: DoubleSession, count: int = 2) -> list[Call]:
    return calls_of(synthetic_samples(session.inputs, count, seed=0))


def test_a_device_that_slows_down_shows_it(tmp_path: Path) -> None:
    session = Tiring()
    report = soak(session, calls(session), artifact="a", length=SoakLength(0.8, 0.2), root=tmp_path)
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
        calls(session),
        artifact="a",
        length=SoakLength(0.4, 0.1),
        root=tmp_path,
        report=lines.append,
    )
    assert [window.temperature_c for window in report.windows] == [48.0] * 4
    assert len(lines) == 4
    assert report.windows[1].start_s == pytest.approx(0.1, abs=0.05)


def test_a_soak_without_two_windows_is_refused() -> None:
    session = DoubleSession()
    with pytest.raises(UsageError, match="no two windows"):
        soak(session, calls(session, 1), artifact="a", length=SoakLength(1, 0.8))


def test_the_calls_go_round_over_all_windows(tmp_path: Path) -> None:
    """A window goes on with the sample after the last window's: none is measured more often than the others."""

    class Counting(DoubleSession):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[float] = []

        def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
            self.seen.append(float(inputs["x"][0, 0]))
            time.sleep(0.02)
            return super().run(inputs)

    session = Counting()
    given = calls(session, 3)
    report = soak(session, given, artifact="a", length=SoakLength(0.3, 0.1), root=tmp_path)
    order = [float(call["x"][0, 0]) for call in given]
    measured = session.seen[-report.count :]
    assert measured == [order[index % 3] for index in range(report.count)]


def test_a_twentieth_is_a_window_and_ten_seconds_at_most() -> None:
    assert (SoakLength(60).window, SoakLength(600).window, SoakLength(1).window) == (3, 10, 0.1)


def test_what_was_seen_is_kept_meanwhile_and_when_it_is_interrupted(tmp_path: Path) -> None:
    class Interrupted(DoubleSession):
        calls = 0

        def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
            self.calls += 1
            time.sleep(0.005)
            if self.calls > 100:
                raise KeyboardInterrupt
            return super().run(inputs)

    session, file = Interrupted(), tmp_path / "soak.json"
    with pytest.raises(KeyboardInterrupt):
        soak(
            session, calls(session), artifact="a", length=SoakLength(5, 0.1), root=tmp_path / "none", keep=keeper(file)
        )
    kept = gone_on_with(file)
    assert kept.partial
    assert 2 <= len(kept.windows) < 10
    assert kept.asked_seconds == 5

    short = replace(kept, asked_seconds=kept.seconds + 0.3)
    session = Interrupted()
    seen = soak(session, calls(session), start=short, root=tmp_path / "none", keep=keeper(file))
    assert not seen.partial
    assert seen.seconds == pytest.approx(short.asked_seconds or 0, abs=0.1)
    assert [segment.number for segment in seen.segments] == [0, 1]
    assert [window.segment for window in seen.windows] == [0] * len(kept.windows) + [1] * 3
    starts = [window.start_s for window in seen.windows]
    assert starts == sorted(starts)
    assert seen.segments[1].start_s == kept.seconds
    with pytest.raises(UsageError, match="that soak is over"):
        gone_on_with(file)


def test_errors_are_counted_and_a_session_that_is_dead_ends_it_with_what_was_seen(tmp_path: Path) -> None:
    class Dying(DoubleSession):
        calls = 0

        def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
            self.calls += 1
            time.sleep(0.005)
            if self.calls == 40 or self.calls > 100:
                raise RuntimeError("it has no more memory")
            return super().run(inputs)

    session = Dying()
    seen = soak(session, calls(session), artifact="a", length=SoakLength(3, 0.1), root=tmp_path)
    assert seen.partial
    assert seen.errors >= 2
    fault = seen.segments[0].fault
    assert fault is not None
    assert "it has no more memory" in fault
    assert any(window.recovered_s for window in seen.windows)


def test_windows_of_days_are_longer() -> None:
    assert SoakLength(72 * 3600).window == pytest.approx(51.84)
