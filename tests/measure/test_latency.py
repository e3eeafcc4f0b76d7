"""The measuring loop: what it calls, how often, and when it stops."""

from __future__ import annotations

import gc
import time

import pytest

from edgeproof.errors import UsageError
from edgeproof.measure.latency import still_collector, time_calls


def test_warm_up_comes_first_and_feeds_go_round() -> None:
    seen: list[int] = []
    timed = time_calls(seen.append, [1, 2, 3], warmup=4, count=5)
    assert seen == [1, 2, 3, 1, 1, 2, 3, 1, 2]
    assert timed.warmup == 4
    assert len(timed.values_us) == 5
    assert all(value >= 0 for value in timed.values_us)


def test_values_are_microseconds() -> None:
    timed = time_calls(lambda _: time.sleep(0.002), [0], warmup=0, count=5)
    assert min(timed.values_us) >= 2000
    assert timed.seconds >= 0.01
    assert timed.cpu_percent is not None
    assert timed.cpu_percent < 60


def test_a_cap_stops_a_slow_call_but_not_below_the_minimum() -> None:
    timed = time_calls(lambda _: time.sleep(0.02), [0], warmup=100, count=1000, seconds=0.1)
    assert 4 <= len(timed.values_us) <= 6
    assert 1 <= timed.warmup <= 3
    slow = time_calls(lambda _: time.sleep(0.05), [0], warmup=0, count=1000, seconds=0.01, minimum=3)
    assert len(slow.values_us) == 3


@pytest.mark.parametrize(("warmup", "count"), [(-1, 1), (0, 0)])
def test_counts_out_of_range_are_refused(warmup: int, count: int) -> None:
    with pytest.raises(UsageError):
        time_calls(lambda _: None, [0], warmup=warmup, count=count)


def test_no_feeds_are_refused() -> None:
    with pytest.raises(UsageError, match="no sample"):
        time_calls(lambda _: None, [], warmup=0, count=1)


def test_the_collector_rests_and_comes_back_even_after_an_error() -> None:
    assert gc.isenabled()
    with still_collector():
        assert not gc.isenabled()
    with pytest.raises(ZeroDivisionError), still_collector():
        raise ZeroDivisionError
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
