"""Where a held load ended, found in a trace whose clock nobody knows."""

from __future__ import annotations

import re

import numpy as np
import pytest

from edgeproof.documents.held import Held
from edgeproof.documents.power import ClockOffset
from edgeproof.measure.aligning import LETTING_GO_MS, align

BEGIN = 1_796_000_000_000_000_000
SECOND = 1_000_000_000


def held(begin_s: float, seconds: float = 20.0) -> Held:
    begin = BEGIN + round(begin_s * SECOND)
    return Held(
        seconds=seconds, calls=1000, begin_unix_ns=begin, end_unix_ns=begin + round(seconds * SECOND),
        median_us=1.0, mean_us=1.0, busy_share=1.0,
    )  # fmt: skip


def trace(*loads: tuple[float, float], seconds: float = 120.0, rate: float = 20.0, noise: float = 0.05):
    """1 W, and 3 W in the loads; times count from zero."""
    since = np.arange(round(seconds * rate)) / rate
    watts = np.ones_like(since)
    for begin, end in loads:
        watts[(since >= begin) & (since < end)] = 3.0
    watts += np.random.default_rng(0).normal(0, noise, len(since))
    return (since * SECOND).astype(np.int64), watts


@pytest.mark.parametrize("letting_go", [0.0, 0.25])
def test_one_load_is_found_by_its_end_though_warm_up_came_before(letting_go: float) -> None:
    times, watts = trace((27.0, 50.0 + letting_go))  # seven seconds of import, warm-up and timed calls
    found = align(times, watts, [held(1000.0)])
    assert isinstance(found, ClockOffset)
    truth = (BEGIN + 1020 * SECOND - 50 * SECOND) / 1e6
    assert abs(found.offset_ms - truth) <= found.within_ms
    assert found.within_ms == pytest.approx(LETTING_GO_MS + 100, abs=1)
    assert re.search(r"falls by (19|20)\d\d mW at 1 end$", found.how)


def test_several_loads_are_found_by_the_way_they_lie() -> None:
    times, watts = trace((10.0, 40.0), (45.0, 70.0), (80.0, 105.0))
    assert isinstance(align(times, watts, [held(500.0), held(535.0)]), ClockOffset)
    found = align(times, watts, [held(500.0), held(535.0)])
    assert isinstance(found, ClockOffset)
    truth = (BEGIN + 520 * SECOND - 70 * SECOND) / 1e6
    assert found.offset_ms == pytest.approx(truth, abs=found.within_ms)


def test_two_equal_ends_do_not_stand_out() -> None:
    times, watts = trace((10.0, 40.0), (60.0, 90.0))
    refused = align(times, watts, [held(500.0)])
    assert isinstance(refused, str)
    assert "no end stands out" in refused


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (trace(), "no end stands out"),
        (trace((5.0, 25.0), seconds=15.0), "shorter than what was held"),
        (trace((10.0, 40.0), rate=0.5), "shows no edge"),
    ],
)
def test_what_shows_no_load_is_refused(given, words: str) -> None:
    refused = align(*given, [held(500.0)])
    assert isinstance(refused, str)
    assert words in refused
    assert align(*given, []) == "no load was held"
