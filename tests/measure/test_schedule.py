"""When calls are due, and that a loop keeps to it."""

from __future__ import annotations

import itertools
import statistics
import time

import pytest

from edgeproof.measure.latency import Schedule, Settings, Timed, time_calls


def test_a_poisson_process_has_its_rate_and_exponential_gaps() -> None:
    arrivals = Schedule(rate_per_s=50, poisson_seed=3).arrivals()
    assert arrivals is not None
    times = [at / 1e9 for at in itertools.islice(arrivals, 20_000)]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert statistics.fmean(gaps) == pytest.approx(1 / 50, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(statistics.fmean(gaps), rel=0.05)
    assert sum(gap > 3 / 50 for gap in gaps) / len(gaps) == pytest.approx(0.0498, abs=0.006)  # e to the minus 3


def test_the_same_seed_draws_the_same_and_another_others() -> None:
    def first(seed: int) -> list[int]:
        arrivals = Schedule(rate_per_s=10, poisson_seed=seed).arrivals()
        assert arrivals is not None
        return list(itertools.islice(arrivals, 5))

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_equal_times_begin_at_their_offset() -> None:
    arrivals = Schedule(rate_per_s=100, offset_s=0.003).arrivals()
    assert arrivals is not None
    assert list(itertools.islice(arrivals, 3)) == [3_000_000, 13_000_000, 23_000_000]
    assert Schedule().arrivals() is None


def test_a_pause_follows_each_answer() -> None:
    begun: list[float] = []

    def call(_: int) -> None:
        begun.append(time.perf_counter())
        time.sleep(0.005)

    timed = time_calls(call, [0], Settings(count=5), schedule=Schedule(think_s=0.02))
    gaps = [after - before for before, after in itertools.pairwise(begun)]
    assert all(gap >= 0.0249 for gap in gaps)
    assert statistics.median(timed.values_us) < 20_000, "the pause is not latency"


def test_it_goes_on_until_so_many_were_answered() -> None:
    results = itertools.cycle([True, False, True])
    timed = time_calls(lambda _: next(results), [0], Settings(count=1000, answers=10))
    assert (timed.answered, timed.calls) == (10, 15)
    capped = time_calls(lambda _: False, [0], Settings(count=7, answers=10))
    assert (capped.answered, capped.calls) == (0, 7)


@pytest.mark.parametrize("schedule", [Schedule(rate_per_s=0.1), Schedule(pace_s=10), Schedule(think_s=10)])
def test_it_stops_when_it_is_asked_to_in_the_middle_of_a_wait(schedule: Schedule) -> None:
    over: list[float] = []
    begin = time.perf_counter()
    settings = Settings(count=10, stopped=lambda: time.perf_counter() - begin > 0.3)
    timed = time_calls(over.append, [0.0], settings, schedule=schedule)
    assert time.perf_counter() - begin < 2
    assert timed.calls <= 2


def test_how_late_calls_left_is_told_for_those_that_were_free() -> None:
    timed = time_calls(lambda _: None, [0], Settings(count=40), schedule=Schedule(rate_per_s=400, spin_ns=0))
    assert 0 < len(timed.late_us) <= 40
    assert min(timed.late_us) >= 0
    slow = time_calls(lambda _: time.sleep(0.02), [0], Settings(count=10), schedule=Schedule(rate_per_s=500))
    assert len(slow.late_us) <= 2, "what waits behind another call is not late by the caller's doing"


def test_what_was_due_before_the_cap_is_made_after_it() -> None:
    timed = time_calls(
        lambda _: time.sleep(0.01), [0], Settings(count=10_000, seconds=0.3), schedule=Schedule(rate_per_s=150)
    )
    assert 0.3 < timed.seconds <= 0.65
    assert timed.calls >= 40
    assert timed.values_us[-1] > 100_000, "the line that had formed is in the latencies"


def test_an_interruption_hands_over_what_was_measured() -> None:
    seen: list[Timed] = []
    results = itertools.chain(range(5), [KeyboardInterrupt()])

    def call(_: int) -> None:
        got = next(results)
        if isinstance(got, BaseException):
            raise got

    with pytest.raises(KeyboardInterrupt):
        time_calls(call, [0], Settings(count=100), kept=seen.append)
    (timed,) = seen
    assert (len(timed.values_us), timed.calls, timed.interrupted) == (5, 5, True)


def test_an_interruption_that_nobody_keeps_is_raised_alone() -> None:
    def call(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        time_calls(call, [0], Settings(count=3))
