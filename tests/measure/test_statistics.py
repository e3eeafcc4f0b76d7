"""Which percentiles a count supports, and that the estimates are the conservative ones they claim to be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.errors import EdgeProofError
from edgeproof.measure.statistics import (
    chance_of_at_most,
    cold_start,
    minimum_queries,
    overlatency_allowed,
    percentile,
    steady,
)

SHARES = st.sampled_from([0.5, 0.9, 0.95, 0.99])


@pytest.mark.parametrize(("share", "queries"), [(0.5, 11), (0.9, 64), (0.95, 130), (0.99, 662), (0.999, 6636)])
def test_a_percentile_needs_the_queries_that_loadgen_asks_for(share: float, queries: int) -> None:
    assert minimum_queries(share) == queries
    assert percentile(sorted(range(queries)), share).value_us is not None
    short = percentile(sorted(range(queries - 1)), share)
    assert short.value_us is None
    assert short.needs_more == 1


@given(queries=st.integers(1, 300), share=SHARES, data=st.data())
def test_the_chance_is_the_binomial_sum(queries: int, share: float, data: st.DataObject) -> None:
    overlatency = data.draw(st.integers(0, queries))
    exact = math.fsum(
        math.comb(queries, count) * (1 - share) ** count * share ** (queries - count)
        for count in range(overlatency + 1)
    )
    assert chance_of_at_most(overlatency, queries, share) == pytest.approx(exact, rel=1e-9, abs=1e-12)


@given(queries=st.integers(1, 5000), share=SHARES)
def test_what_is_allowed_above_is_the_most_that_still_has_enough_queries(queries: int, share: float) -> None:
    allowed = overlatency_allowed(queries, share)
    if allowed:
        assert minimum_queries(share, allowed) <= queries
    assert minimum_queries(share, allowed + 1) > queries


@given(values=st.lists(st.floats(0, 1e9), min_size=1, max_size=800), share=SHARES)
def test_an_estimate_is_a_measured_value_and_not_below_the_sample_percentile(values: list[float], share: float) -> None:
    ascending = sorted(values)
    estimate = percentile(ascending, share).value_us
    if estimate is not None:
        assert any(math.isclose(estimate, value, abs_tol=1e-3) for value in ascending)
        assert estimate >= float(np.quantile(ascending, share, method="lower")) - 1e-3


def test_the_estimate_lies_above_the_true_percentile_in_99_of_100_runs() -> None:
    source = np.random.default_rng(7)
    true_p90 = -math.log(0.1)
    runs = np.sort(source.exponential(size=(4000, 100)), axis=1)
    above = [percentile(run.tolist(), 0.9).value_us >= true_p90 for run in runs]
    assert np.mean(above) >= 0.985


def test_a_hundred_requests_support_p50_and_p90_and_no_more() -> None:
    figures = steady([float(value) for value in range(100)], warmup=20, raw="raw.json")
    assert figures.count == 100
    assert figures.p90.value_us == 97
    assert (figures.p95.value_us, figures.p95.needs_more) == (None, 30)
    assert (figures.p99.value_us, figures.p99.needs_more) == (None, 562)
    assert figures.median_us == 49.5


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [-1.0], [float("inf")]])
def test_values_that_cannot_be_latencies_are_refused(values: list[float]) -> None:
    with pytest.raises(EdgeProofError):
        steady(values, warmup=0, raw="")


@settings(deadline=None)
@given(queries=st.integers(100_000, 2_000_000), share=SHARES)
def test_large_counts_neither_underflow_nor_take_long(queries: int, share: float) -> None:
    allowed = overlatency_allowed(queries, share)
    expected = queries * (1 - share) - 2.326 * math.sqrt(queries * share * (1 - share))
    assert allowed == pytest.approx(expected, rel=0.02)


def test_cold_starts_keep_every_process() -> None:
    figures = cold_start([500.0, 510.5, 490.0], [100.0, 101.0, 99.0], [20.0, 21.0, 22.0])
    assert figures is not None
    assert figures.processes == 3
    assert figures.median_ms == 500.0
    assert cold_start([], [], []) is None
