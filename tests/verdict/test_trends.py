"""Theil and Sen's slope, with Mann and Kendall's test."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edgeproof.verdict.trends import Point, trend_of


def line(slope: float, count: int = 40, *, noise: float = 0.0, seed: int = 0, begin: float = 0.0) -> list[Point]:
    drawn = random.Random(seed)
    return [(begin + 60.0 * n, 100.0 + slope * n + drawn.gauss(0, noise)) for n in range(count)]


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=60, unique=True))
def test_it_is_scipy_s(values):
    points = [(float(n), value) for n, value in enumerate(values)]
    found = trend_of([points])
    assert found is not None
    theirs = stats.theilslopes(values, range(len(values)), alpha=0.98)
    assert found.per_hour / 3600 == pytest.approx(theirs.slope, rel=1e-6, abs=1e-9)
    if found.at_least is not None:
        assert found.at_least <= found.per_hour <= found.at_most


def test_the_test_is_mann_and_kendall_s():
    """Kendall's tau with the normal approximation is the same test, but for the continuity correction."""
    values = [value for _, value in line(0.2, 60, noise=5.0, seed=3)]
    found = trend_of([list(enumerate(values))])
    assert found is not None
    theirs = stats.kendalltau(range(60), values, method="asymptotic")
    assert found.p == pytest.approx(theirs.pvalue, rel=0.05)


def test_a_line_has_its_slope_its_beginning_and_no_doubt():
    found = trend_of([line(2.0)])
    assert found is not None
    assert found.per_hour == pytest.approx(120.0)
    assert (found.first, found.span_s, found.points) == (pytest.approx(100.0), 39 * 60.0, 40)
    assert found.share == pytest.approx(0.78)
    assert (found.rises, found.falls) == (True, False)
    assert found.p < 1e-9


def test_noise_is_no_trend():
    sure = [trend_of([line(0.0, noise=1.0, seed=seed)]) for seed in range(200)]
    assert sum(found is not None and (found.rises or found.falls) for found in sure) <= 10


def test_pieces_are_taken_by_themselves():
    """Each process begins where the one before did: together they seem flat, and none of them is."""
    pieces = [line(1.0, 20, noise=0.5, seed=n, begin=1200.0 * n) for n in range(4)]
    apart, together = trend_of(pieces), trend_of([[point for piece in pieces for point in piece]])
    assert apart is not None
    assert together is not None
    assert apart.per_hour == pytest.approx(60.0, rel=0.1)
    assert apart.rises
    assert together.per_hour < 20


def test_a_day_is_taken_in_blocks():
    found = trend_of([line(0.01, 8640, noise=1.0)])
    assert found is not None
    assert found.points <= 200
    assert found.per_hour == pytest.approx(0.6, rel=0.05)


def test_one_point_or_none_has_no_trend():
    assert trend_of([]) is None
    assert trend_of([[(0.0, 1.0)], [(1.0, 2.0)]]) is None
    assert trend_of([[(0.0, 0.0), (1.0, 0.0)]]).share == 0.0
