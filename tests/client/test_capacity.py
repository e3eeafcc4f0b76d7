"""The search for the highest rate: on a line whose answer is known, and on a server whose service time is."""

from __future__ import annotations

import random

import pytest
from tests.doubles.http_model import model_process

from edgeproof.client.capacity import Search, bound_of, find_capacity, lowest_rate, step_seconds
from edgeproof.client.drive import Drive
from edgeproof.client.fleet import drive_fleet
from edgeproof.client.report import ClientReport
from edgeproof.documents.latency import Capacity
from edgeproof.documents.load import Load
from edgeproof.errors import UsageError

SERVICE_S = 0.005


def line(rate_per_s: float, seconds: float, *, seed: int = 0, service_s: float = SERVICE_S) -> list[float]:
    """Latencies in µs of a line with one server of constant service time (M/D/1, Lindley's recursion)."""
    drawn, at, free, values = random.Random(seed), 0.0, 0.0, []
    while (at := at + drawn.expovariate(rate_per_s)) < seconds:
        free = max(free, at) + service_s
        values.append((free - at) * 1e6)
    return values


def report_of(values: list[float], *, errors: int = 0, seconds: float = 1.0) -> ClientReport:
    return ClientReport(
        url="",
        model="m",
        platform="p",
        requests=len(values) + errors,
        warmup=0,
        rate_per_s=None,
        latency_us=tuple(values),
        inference_us=(),
        errors=errors,
        first_error="e" if errors else None,
        non_finite=0,
        body_bytes=0,
        seconds=seconds,
        client_cpus=(),
        server_cpus=(),
        server=None,
        threads=None,
        load=Load(),
    )


def true_capacity(limit_us: float, share: float) -> float:
    """The rate at which the percentile of a very long line meets the limit."""
    low, high = 1.0, 1 / SERVICE_S
    for _ in range(12):
        middle = (low + high) / 2
        values = sorted(line(middle, 60_000 / middle))
        low, high = (middle, high) if values[int(share * len(values))] <= limit_us else (low, middle)
    return low


@pytest.mark.parametrize("start", [3.0, 100.0, 5000.0])
def test_a_line_s_capacity_is_found_from_wherever_it_starts(start: float) -> None:
    search = Search(bound_of("p99=20ms"), start, 0.05)
    found = find_capacity(lambda rate, seconds: report_of(line(rate, seconds), seconds=seconds), search)
    assert found.rate_per_s is not None
    assert found.fails_at_per_s is not None
    assert found.fails_at_per_s - found.rate_per_s <= 0.05 * found.fails_at_per_s
    truth = true_capacity(20_000, 0.99)
    assert 0.75 * truth < found.rate_per_s < 1.05 * truth, "the estimate is an upper bound, so the rate is a lower one"
    assert found.reason is None
    assert all(step.answered >= 662 for step in found.steps)


def test_a_real_server_s_capacity_is_near_what_its_service_time_says() -> None:
    """5 ms a call, one at a time, and p90 within 30 ms; the calls take somewhat longer than they sleep."""
    with model_process(delay_s=SERVICE_S) as url:

        def trial(rate_per_s: float, seconds: float) -> ClientReport:
            how = Drive(requests=10**9, seconds=seconds, rate_per_s=rate_per_s, poisson_seed=0, warmup=2)
            return drive_fleet(url, how, 2)

        found = find_capacity(trial, Search(bound_of("p90=30ms"), 80, 0.15), phones=2)
    truth = true_capacity(30_000, 0.9)
    assert found.rate_per_s is not None
    assert 0.6 * truth < found.rate_per_s < 1.1 * truth
    assert found.phones == 2
    assert any(not step.held for step in found.steps)


def test_an_error_is_no_holding() -> None:
    def trial(rate: float, seconds: float) -> ClientReport:
        return report_of([1000.0] * 3000, errors=int(rate > 50), seconds=seconds)

    found = find_capacity(trial, Search(bound_of("p99=20ms"), 40, 0.1))
    assert 44 < (found.rate_per_s or 0) <= 50


def test_a_step_that_would_take_too_long_ends_the_search_with_its_reason() -> None:
    search = Search(bound_of("p99=20ms"), 100, 0.1, step_limit_s=10)
    assert step_seconds(search, 1000) == 2.0
    assert step_seconds(search, 100) == 10
    assert lowest_rate(search) == pytest.approx(86.06)
    found = find_capacity(lambda rate, seconds: report_of([1e6] * 3000), search)
    assert found.rate_per_s is None
    assert [step.rate_per_s for step in found.steps] == [100, 86.06]
    assert "not supported within 10 s" in (found.reason or "")


def test_a_server_without_an_end_is_told_as_a_lower_bound() -> None:
    found = find_capacity(
        lambda rate, seconds: report_of([1.0] * 3000, seconds=3000 / rate), Search(bound_of("p50=1s"), 1.0)
    )
    assert (found.fails_at_per_s, found.reason) == (None, "ended after 24 steps")
    assert found.rate_per_s == max(step.rate_per_s for step in found.steps)


def test_a_rate_that_is_not_achieved_is_not_held() -> None:
    found = find_capacity(
        lambda rate, seconds: report_of([1.0] * 3000, seconds=3000 / min(rate, 100)), Search(bound_of("p50=1s"), 60)
    )
    assert 100 <= (found.rate_per_s or 0) < 118


def test_an_interrupted_search_keeps_its_steps() -> None:
    kept: list[Capacity] = []
    rates: list[float] = []

    def trial(rate: float, seconds: float) -> ClientReport:
        rates.append(rate)
        if len(rates) == 3:
            raise KeyboardInterrupt
        return report_of([1.0] * 3000)

    with pytest.raises(KeyboardInterrupt):
        find_capacity(trial, Search(bound_of("p99=20ms"), 20), kept=kept.append)
    assert [step.rate_per_s for step in kept[0].steps] == [20, 40]
    assert kept[0].reason == "it was interrupted"


def test_bounds_as_they_are_written() -> None:
    assert (bound_of("p99=20ms").share, bound_of("p99=20ms").limit_us) == (0.99, 20_000)
    assert bound_of(" p95 = 1.5 s ").limit_us == 1_500_000
    assert bound_of("p50=70us").name == "p50"
    for wrong in ("p98=20ms", "p99=20", "20ms", "p99=0ms", "p99=-1ms", ""):
        with pytest.raises(UsageError, match="not a bound"):
            bound_of(wrong)
