"""Soaks against the policy: real ones of sessions that leak or do not, and days of windows made by hand."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.doubles.session import DoubleSession

from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.soak import SoakReport, SoakWindow
from edgeproof.measure.soak import SoakLength, soak
from edgeproof.model.samples import calls_of, synthetic_samples
from edgeproof.verdict.cases import cases_of
from edgeproof.verdict.decide import decide
from edgeproof.verdict.points import point_of, standing_of
from edgeproof.verdict.soak_findings import memory_trend
from edgeproof.verdict.soaks import judge_soak

MB = 1_000_000
SECOND = 1 / 3600


class Slowing(DoubleSession):
    """Each call takes a little longer than the one before, like a runtime whose lists only grow."""

    def __init__(self) -> None:
        super().__init__()
        self._calls = 0

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        self._calls += 1
        end = time.perf_counter() + 0.001 + 4e-6 * self._calls
        while time.perf_counter() < end:
            pass
        return super().run(inputs)


def soaked(session: DoubleSession, root: Path, seconds: float = 1.5) -> SoakReport:
    """A real soak of the double, in this process, as one of ``litert-fp32``."""
    calls = calls_of(synthetic_samples(session.inputs, 2, seed=0))
    report = soak(session, calls, artifact="a", length=SoakLength(seconds), root=root)
    return replace(report, candidate="litert-fp32")


def windows_of(*resident: float | None, seconds: float = 60.0) -> tuple[SoakWindow, ...]:
    return tuple(
        SoakWindow(
            start_s=seconds * number,
            count=10,
            median_us=100.0,
            max_us=200.0,
            temperature_c=None,
            resident_bytes=None if held is None else int(held),
        )
        for number, held in enumerate(resident)
    )


def point(build, report: SoakReport, hours: float, *, device="host", sha256: str | None = None):
    evidence = build.evidence(soaks=(report,))
    case = cases_of(evidence)["litert-fp32"]
    assert case.conversion is not None
    evidence = build.evidence(soaks=(replace(report, sha256=case.conversion.sha256 if sha256 is None else sha256),))
    standing = standing_of(cases_of(evidence)["litert-fp32"], PolicyValue(soak_hours=hours), device)
    return point_of(standing, "soak")


def test_a_flat_soak_of_the_asked_length_meets(build, tmp_path):
    report = soaked(DoubleSession(delay_s=0.001), tmp_path)
    found = point(build, report, 1.5 * SECOND)
    assert found.state == "met", found.text
    assert "MB per hour" in found.text


def test_a_leak_does_not_meet_however_short_the_soak_was(build, tmp_path):
    report = soaked(DoubleSession(delay_s=0.001, leak_bytes=512 * 1024), tmp_path)
    for hours in (1.5 * SECOND, 24.0):
        found = point(build, report, hours)
        assert found.state == "not met", found.text
        assert "resident memory grows by" in found.text
        assert "MB per hour" in found.text


def test_one_that_is_too_short_says_how_much_longer(build, tmp_path):
    found = point(build, soaked(DoubleSession(delay_s=0.001), tmp_path), 24.0)
    assert found.state == "unsupported"
    assert re.match(r"soaked 1\.5\d? s of 24 h, 24 h too short; less than 10 min tell no trend", found.text)


def test_it_counts_for_this_host_and_for_this_artifact(build, tmp_path):
    report = soaked(DoubleSession(delay_s=0.001), tmp_path)
    there = point(build, report, 1.5 * SECOND, device="raspberry-pi")
    assert (there.state, there.text) == ("not measured", "a soak of 0.000416667 h on a Raspberry Pi not measured")
    assert point(build, report, 1.5 * SECOND, sha256="of another").state == "not measured"


def a_day(*resident: float | None) -> SoakReport:
    """A report of a day; its windows are as long as their number makes them."""
    seconds = 86_400 / len(resident)
    report = soaked(DoubleSession(), Path("/nonexistent"), 0.2)
    return replace(report, seconds=86_400.0, window_seconds=seconds, windows=windows_of(*resident, seconds=seconds))


@pytest.mark.parametrize(
    ("resident", "state"),
    [
        ([100 * MB + random.Random(0).gauss(0, MB) for _ in range(8640)], "met"),
        ([100 * MB] * 4000 + [130 * MB] * 4640, "met"),  # one jump, and flat on both sides of it
        ([100 * MB + 40 * MB * (1 - 0.99**number) for number in range(8640)], "met"),  # a pool that fills
        ([100 * MB + 2000 * number for number in range(8640)], "not met"),  # 17 MB a day
        ([100 * MB + 8 * MB * (number // 1440) for number in range(8640)], "not met"),  # in steps, one every 4 h
        ([None] * 100, "not measured"),
    ],
    ids=["noise", "a jump", "a pool", "a leak", "steps", "unknown"],
)
def test_what_a_day_of_windows_is(build, resident, state):
    assert point(build, a_day(*resident), 24.0).state == state


def test_a_slow_leak_is_told_after_ten_minutes(build):
    """Sure of the trend, though what was lost so far is little."""
    windows = windows_of(
        *(100 * MB + 100_000 * number + random.Random(number).gauss(0, 20_000) for number in range(20))
    )
    report = replace(a_day(100 * MB, 100 * MB), seconds=1200.0, window_seconds=60.0, windows=windows)
    found = point(build, report, 24.0)
    assert found.state == "not met"
    calm = replace(report, windows=windows_of(*([100 * MB] * 20)))
    assert point(build, calm, 24.0).text == (
        "soaked 20 min of 24 h, 23.7 h too short; so far resident memory grows by 0 MB per hour"
    )
    assert "grows by 5.92 MB per hour over 20 min: 142 MB in 24 h" in found.text


def test_the_trend_is_theil_and_sen_s():
    trend = memory_trend(windows_of(*(1000 + 7 * number for number in range(50))))
    assert trend is not None
    assert trend.per_hour == pytest.approx(7 * 60)
    assert trend.at_least == pytest.approx(7 * 60)
    odd = memory_trend(windows_of(*(1000 + 7 * number + (10**6 if number == 20 else 0) for number in range(50))))
    assert odd is not None
    assert odd.per_hour == pytest.approx(7 * 60)
    assert memory_trend(windows_of(100, 100)) is None  # the first of two is within the first tenth
    assert memory_trend(()) is None


def test_the_command_of_a_soak_is_the_hosts_alone(build):
    """What is soaked here says nothing of a phone."""
    platforms = {"litert-fp32": ("host", "android")}
    verdicts = decide(build.evidence(), PolicyValue(soak_hours=24), platforms, policy_source="").verdicts
    commands = {
        verdict.device_class: change.command
        for verdict in verdicts
        for change in verdict.would_change
        if change.measurement.startswith("soak of")
    }
    assert commands["host"].startswith("edgeproof soak ")
    assert "--duration 24h --into " in commands["host"]
    assert commands["android"] is None


def test_the_command_of_a_soak_names_a_device_that_was_measured(build):
    boards = (build.device(name="ssh:pi@pi", device_class="raspberry-pi"), build.device())
    evidence = build.evidence(devices=boards)
    platforms = {"litert-fp32": ("host", "raspberry-pi")}
    commands = [
        change.command
        for verdict in decide(evidence, PolicyValue(soak_hours=1), platforms, policy_source="").verdicts
        for change in verdict.would_change
        if change.measurement.startswith("soak of") and verdict.device_class == "raspberry-pi"
    ]
    assert len(commands) == 1
    assert "--duration 1h --device ssh:pi@pi --into " in commands[0]


def hour(**columns) -> SoakReport:
    """Sixty windows of a minute; each column is a figure by the number of the window."""
    windows = tuple(
        SoakWindow(
            **{
                "start_s": 60.0 * n,
                "count": 1000,
                "median_us": 100.0,
                "max_us": 200.0,
                "temperature_c": None,
                "resident_bytes": 100 * MB,
            }
            | {name: of(n) for name, of in columns.items()}
        )
        for n in range(60)
    )
    errors = sum(window.errors for window in windows)
    report = a_day(100 * MB, 100 * MB)
    return replace(
        report, seconds=3600.0, window_seconds=60.0, windows=windows, count=60_000, errors=errors, candidate=None
    )


def noisy(n: int, spread: float = 1.0) -> float:
    return random.Random(n).gauss(0, spread)


@pytest.mark.parametrize(
    ("columns", "word", "said"),
    [
        ({}, "stable", "no call failed"),
        ({"median_us": lambda n: 100 + noisy(n)}, "stable", "perhaps by chance"),
        ({"median_us": lambda n: 100 + 0.1 * n + noisy(n)}, "stable", "median latency rises by"),
        ({"median_us": lambda n: 100 + 0.5 * n + noisy(n)}, "drifting", "(surely) over 60 min, limit 10 %"),
        ({"median_us": lambda n: 100 - 0.5 * n}, "stable", "median latency falls by"),
        ({"resident_bytes": lambda n: 100 * MB + n * MB}, "leaking", "resident memory grows by 60 MB per hour"),
        ({"throttled": lambda n: n >= 30}, "throttling", "it throttled in 30 of 60 windows, first after 30 min"),
        ({"throttled": lambda _: False}, "stable", "it never throttled"),
        ({"mhz": lambda n: 1800 - 10 * n}, "throttling", "clock falls by"),
        ({"errors": lambda n: int(n == 7), "recovered_s": lambda n: 2.5 if n == 7 else None}, "failing",
         "1 of 60,001 calls failed, the longest row of errors was over after 2.5 s"),
        ({"temperature_c": lambda n: 40 + 0.5 * n}, "stable", "temperature rises by 29.5 °C (surely), hottest 69.5 °C"),
        ({"median_us": lambda n: 100 + n, "resident_bytes": lambda n: 100 * MB + n * MB}, "leaking", "median latency"),
    ],
)  # fmt: skip
def test_what_a_soak_is_called_and_what_decides_it(columns, word, said):
    judgement = judge_soak(hour(**columns))
    assert judgement.word == word
    assert said in "; ".join(finding.text for finding in judgement.findings)
    assert bool(judgement.beyond) == (word != "stable")


def test_what_others_took_of_the_processor_is_no_drift():
    rising = {"median_us": lambda n: 100.0 if n < 45 else 180.0 + n, "cpu_percent": lambda n: 99.0 if n < 45 else 60.0}
    assert judge_soak(hour(**rising)).word == "stable"
    busy = judge_soak(hour(**rising | {"cpu_percent": lambda n: 99.0 if n < 20 else 60.0}))
    assert busy.word == "undecided"
    assert "others had the processor in 40 of 60 windows" in busy.of("latency").text
    waiting = hour(median_us=lambda n: 100.0 + n, cpu_percent=lambda n: 30.0 - n / 10)
    assert judge_soak(waiting).word == "drifting", "one that waits for another chip has little of the processor"


def test_what_could_not_be_told_stands_beside_a_point_that_is_met(build):
    busy = hour(median_us=lambda n: 100.0 + n, cpu_percent=lambda n: 99.0 if n < 20 else 60.0)
    found = point(build, replace(busy, candidate="litert-fp32"), 1.0)
    assert found.state == "met"
    assert "; latency: others had the processor in 40 of 60 windows" in found.text


def test_a_second_has_hiccups():
    short = hour(median_us=lambda n: 100 + 0.5 * n)
    assert judge_soak(replace(short, seconds=60.0)).word == "undecided"
    assert judge_soak(replace(hour(median_us=lambda n: 100 + 3 * n), seconds=60.0)).word == "drifting"


def test_limits_are_the_policy_s():
    soak = hour(
        median_us=lambda n: 100 + 0.5 * n, errors=lambda n: int(n == 7), throttled=lambda n: n == 3,
        resident_bytes=lambda n: 100 * MB + n * MB,
    )  # fmt: skip
    lax = PolicyValue(soak_drift=0.5, soak_errors=0.01, soak_growth=1.0, throttled="count")
    assert judge_soak(soak, lax).word == "stable"
    assert judge_soak(soak, replace(lax, soak_drift=0.1)).word == "drifting"
    assert judge_soak(soak, replace(lax, throttled="exclude")).word == "throttling"
    assert judge_soak(soak, replace(lax, soak_growth=0.1)).word == "leaking"
    assert judge_soak(soak, replace(lax, soak_errors=0.0)).word == "failing"


def test_a_minute_decides_nothing_but_what_is_beyond_its_limit():
    short = hour()
    assert judge_soak(replace(short, seconds=60.0, windows=short.windows[:2])).word == "undecided"


def test_a_leak_within_each_process_is_one_though_every_process_begins_anew():
    pieces = hour(resident_bytes=lambda n: 100 * MB + (n % 15) * MB, segment=lambda n: n // 15)
    assert judge_soak(pieces).word == "leaking"
    fresh = hour(resident_bytes=lambda n: (100 + 5 * (n // 15)) * MB, segment=lambda n: n // 15)
    assert judge_soak(fresh).word == "stable"


def test_a_soak_that_drifts_does_not_meet_and_one_on_a_board_counts_for_boards(build):
    drifting = replace(hour(median_us=lambda n: 100 + n), candidate="litert-fp32")
    found = point(build, drifting, 1.0)
    assert (found.state, found.text.partition(":")[0]) == ("not met", "drifting after 60 min")
    board = replace(hour(), candidate="litert-fp32", device="ssh:pi@pi", device_class="raspberry-pi")
    assert point(build, board, 1.0, device="raspberry-pi").state == "met"
    assert point(build, board, 1.0).state == "not measured"


@pytest.mark.parametrize(
    ("session", "word"),
    [(DoubleSession(delay_s=0.002), "undecided"), (DoubleSession(delay_s=0.002, leak_bytes=256 * 1024), "leaking"),
     (Slowing(), "drifting")],
    ids=["well", "leaking", "slowing"],
)  # fmt: skip
def test_sessions_that_are_really_run(tmp_path, session, word):
    judgement = judge_soak(soaked(session, tmp_path, 3.0))
    assert judgement.word == word, [finding.text for finding in judgement.findings]
