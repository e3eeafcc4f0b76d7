"""The measuring loop: what it calls, how often, and when it stops."""

from __future__ import annotations

import contextlib
import gc
import itertools
import time
from collections.abc import Iterator

import pytest

from edgeproof.errors import UsageError
from edgeproof.measure.latency import Endured, Schedule, Settings, still_collector, time_calls
from edgeproof.measure.settling import is_stable


def test_warm_up_comes_first_and_feeds_go_round() -> None:
    seen: list[int] = []
    timed = time_calls(seen.append, [1, 2, 3], Settings(warmup=4, count=5))
    assert seen == [1, 2, 3, 1, 1, 2, 3, 1, 2]
    assert timed.warmup == 4
    assert len(timed.values_us) == 5
    assert all(value >= 0 for value in timed.values_us)


def test_values_are_microseconds() -> None:
    timed = time_calls(lambda _: time.sleep(0.002), [0], Settings(count=5))
    assert min(timed.values_us) >= 2000
    assert timed.seconds >= 0.01
    assert timed.cpu_percent is not None
    assert timed.cpu_percent < 60


def test_a_cap_stops_a_slow_call_but_not_below_the_minimum() -> None:
    timed = time_calls(lambda _: time.sleep(0.02), [0], Settings(warmup=100, count=1000, seconds=0.1))
    assert 4 <= len(timed.values_us) <= 6
    assert 1 <= timed.warmup <= 3
    slow = time_calls(lambda _: time.sleep(0.05), [0], Settings(count=1000, seconds=0.01, minimum=3))
    assert len(slow.values_us) == 3


@pytest.mark.parametrize(("warmup", "count"), [(-1, 1), (0, 0)])
def test_counts_out_of_range_are_refused(warmup: int, count: int) -> None:
    with pytest.raises(UsageError):
        time_calls(lambda _: None, [0], Settings(warmup=warmup, count=count))


def test_neither_a_count_nor_a_time_is_refused() -> None:
    with pytest.raises(UsageError):
        time_calls(lambda _: None, [0], Settings())


def test_a_time_alone_measures_until_it_is_over() -> None:
    timed = time_calls(lambda _: time.sleep(0.005), [0], Settings(seconds=0.1))
    assert timed.calls == len(timed.values_us)
    assert 5 <= timed.calls <= 21


def test_another_stretch_goes_on_where_the_last_ended() -> None:
    seen: list[int] = []
    time_calls(seen.append, [1, 2, 3], Settings(count=4, first=5))
    assert seen == [3, 1, 2, 3]


def test_a_call_without_an_answer_is_made_and_not_kept() -> None:
    answers = iter([True, False, None, False, True])
    timed = time_calls(lambda _: next(answers), [0], Settings(count=5))
    assert (timed.calls, len(timed.values_us)) == (5, 3)


def test_at_a_rate_latency_counts_from_the_intended_time() -> None:
    """A call that waits behind a slow one has that wait in its latency: no coordinated omission."""
    delays = iter([0.05, 0.0, 0.0, 0.0])
    timed = time_calls(lambda _: time.sleep(next(delays)), [0], Settings(count=4), schedule=Schedule(rate_per_s=100))
    assert timed.values_us[0] >= 50_000
    for before, after in itertools.pairwise(timed.values_us):
        assert after >= before - 10_001, "it begins when the one before ends, and was meant to begin 10 ms later"
    kept = time_calls(lambda _: None, [0], Settings(count=10), schedule=Schedule(rate_per_s=200))
    assert kept.seconds >= 9 / 200 - 0.001


def test_at_a_pace_latency_counts_from_the_call_and_the_process_rests_in_between() -> None:
    """The same slow call makes no later one slower: nothing waits in a line, unlike at a rate."""
    delays = iter([0.0, 0.05, 0.0, 0.0, 0.0, 0.0])
    begins: list[float] = []

    def call(_: int) -> None:
        begins.append(time.perf_counter())
        time.sleep(next(delays))

    timed = time_calls(call, [0], Settings(count=6), schedule=Schedule(pace_s=0.02))
    gaps = [b - a for a, b in itertools.pairwise(begins)]
    assert gaps[0] >= 0.015
    assert 0.049 <= gaps[1] < 0.065, "it begins at once where the call before took longer than the pace"
    assert min(gaps[2:]) >= 0.015
    assert timed.values_us[1] >= 50_000
    assert timed.values_us[2] < 10_000
    assert timed.cpu_percent is not None
    assert timed.cpu_percent < 30


def test_a_pace_has_its_own_first_calls_that_are_not_counted() -> None:
    seen: list[int] = []
    timed = time_calls(seen.append, [1, 2, 3], Settings(count=2, warmup=4), schedule=Schedule(pace_s=0.001))
    assert (timed.warmup, len(seen)) == (7, 9)


@pytest.mark.parametrize(("slow", "made", "stable"), [(0, 30, True), (35, 65, True), (1000, 300, False)])
def test_a_warm_up_goes_on_until_its_medians_agree_and_not_for_ever(slow: int, made: int, stable: bool) -> None:
    """Each of the first calls takes a fifth less than the one before; none by the clock, so that it is exact."""
    times = itertools.chain((0.8**-n for n in range(slow, 0, -1)), itertools.repeat(1.0))
    seen = [next(times) for _ in range(made)]
    assert is_stable(seen) is stable


def test_a_warm_up_that_is_stable_says_so_and_one_that_is_not_is_bounded() -> None:
    steady = time_calls(lambda _: time.sleep(0.002), [0], Settings(count=1, warmup=30, most_warmup=300))
    assert steady.stable is True
    assert 30 <= steady.warmup < 300
    delays = itertools.count(1)
    growing = time_calls(lambda _: time.sleep(next(delays) * 2e-4), [0], Settings(count=1, warmup=30, most_warmup=45))
    assert (growing.warmup, growing.stable) == (45, False)
    assert time_calls(lambda _: None, [0], Settings(count=1, warmup=5)).stable is None


def test_a_stretch_is_marked_on_the_system_s_clock() -> None:
    before = time.time_ns()
    timed = time_calls(lambda _: time.sleep(0.01), [0], Settings(count=3, warmup=3))
    assert before + 30_000_000 <= timed.begin_unix_ns < timed.end_unix_ns <= time.time_ns()
    assert (timed.end_unix_ns - timed.begin_unix_ns) / 1e9 == pytest.approx(timed.seconds, rel=0.2)


def test_of_a_long_stretch_values_are_thinned_evenly_and_sums_are_whole() -> None:
    timed = time_calls(lambda _: None, [0], Settings(count=1000, keep=64))
    assert 32 <= len(timed.values_us) < 64
    assert (timed.calls, timed.answered) == (1000, 1000)
    assert max(timed.values_us) <= timed.max_us
    assert 0 < timed.busy_s < timed.seconds


def test_what_is_beside_is_looked_at_between_calls_now_and_then() -> None:
    class Looks:
        every_s = 0.02
        inside, times = False, 0

        def look(self) -> None:
            assert not self.inside
            self.times += 1

    looks = Looks()

    def call(_: int) -> None:
        looks.inside = True
        time.sleep(0.005)
        looks.inside = False

    time_calls(call, [0], Settings(count=20), beside=looks)
    assert 2 <= looks.times <= 5


def test_errors_that_are_endured_are_counted_with_the_time_until_an_answer() -> None:
    answers = iter([None, ZeroDivisionError("first"), ZeroDivisionError("second"), None, ValueError("third"), None])

    def call(_: int) -> None:
        time.sleep(0.01)
        if error := next(answers):
            raise error

    endured = Endured()
    timed = time_calls(call, [0], Settings(count=6), endured=endured)
    assert (timed.calls, timed.answered, endured.count) == (6, 3, 3)
    assert str(endured.last) == "third"
    assert endured.recovered_s is not None
    assert 0.03 <= endured.recovered_s < 0.1
    with pytest.raises(StopIteration):
        time_calls(call, [0], Settings(count=1))


def test_what_stands_around_begins_after_the_warm_up() -> None:
    told: list[object] = []

    @contextlib.contextmanager
    def around() -> Iterator[None]:
        told.append("in")
        yield
        told.append("out")

    time_calls(told.append, [7], Settings(warmup=2, count=1), around=around())
    assert told == [7, 7, "in", 7, "out"]


def test_no_feeds_are_refused() -> None:
    with pytest.raises(UsageError, match="no sample"):
        time_calls(lambda _: None, [], Settings(count=1))


def test_the_collector_rests_and_comes_back_even_after_an_error() -> None:
    assert gc.isenabled()
    with still_collector():
        assert not gc.isenabled()
    with pytest.raises(ZeroDivisionError), still_collector():
        raise ZeroDivisionError
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_block_inside_another_leaves_what_lives_frozen() -> None:
    mine: list[object] = []

    def looked_at() -> bool:
        """Whether the collector would look at what lived before the block; others may come and go meanwhile."""
        return any(found is mine for found in gc.get_objects())

    assert looked_at()
    with still_collector():
        assert not looked_at()
        with still_collector():
            assert not looked_at()
            assert not gc.isenabled()
        assert not looked_at()
        assert not gc.isenabled()
    assert gc.isenabled()
    assert looked_at()
