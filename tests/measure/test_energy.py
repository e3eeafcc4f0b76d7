"""Energy of one call: its figures on power that is known, and every reason why there is none."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.documents.held import Held
from edgeproof.documents.power import ClockOffset, Fault, PowerTrace
from edgeproof.measure.energy import energy_of, student_t
from edgeproof.measure.power_samples import mean_power
from edgeproof.meters.traces import gaps_of

BEGIN = 1_796_000_000_000_000_000
SECOND = 1_000_000_000


def held(begin_s: float = 20.0, seconds: float = 60.0, calls: int = 30_000, **changes) -> Held:
    begin = BEGIN + round(begin_s * SECOND)
    return Held(
        **{
            "seconds": seconds,
            "calls": calls,
            "begin_unix_ns": begin,
            "end_unix_ns": begin + round(seconds * SECOND),
            "median_us": 1e6 * seconds / calls,
            "mean_us": 1e6 * seconds / calls,
            "busy_share": 1.0,
        }
        | changes
    )


def samples(seconds: float = 100.0, rate: float = 10.0, noise: float = 0.02):
    """Idle at 1 W; 3 W from second 20 to second 80."""
    count = round(seconds * rate)
    times = BEGIN + (np.arange(count) * SECOND / rate).astype(np.int64)
    loaded = (times >= BEGIN + 20 * SECOND) & (times <= BEGIN + 80 * SECOND)
    watts = np.where(loaded, 3.0, 1.0) + np.random.default_rng(0).normal(0, noise, count)
    return times, watts


def trace(times, **changes) -> PowerTrace:
    return PowerTrace(
        **{
            "meter": "ppk2",
            "address": "ppk2",
            "source": "a kit",
            "count": len(times),
            "begin_unix_ns": int(times[0]),
            "end_unix_ns": int(times[-1]),
            "clock": ClockOffset(0.0, 5.0, "one clock"),
            "gaps": gaps_of(times),
            "raw": "x.npz",
            "sha256": "",
        }
        | changes
    )


def test_gross_energy_is_power_times_time_over_calls() -> None:
    times, watts = samples()
    found = energy_of(trace(times), times, watts, [held()])
    assert found.reason is None
    assert found.gross_mj == pytest.approx(3.0 * 60 / 30_000 * 1e3, rel=0.005)
    assert found.low_mj is not None
    assert found.high_mj is not None
    assert found.low_mj < found.gross_mj < found.high_mj
    assert found.mean_mw == pytest.approx(3000, rel=0.005)
    assert (found.calls, found.samples, found.stretches) == (30_000, 600, 1)
    assert "10 blocks of one held stretch" in (found.interval or "")


def test_idle_is_subtracted_only_where_it_was_recorded_and_told() -> None:
    times, watts = samples()
    assert energy_of(trace(times), times, watts, [held()]).net_mj is None
    found = energy_of(trace(times), times, watts, [held()], idle_s=15)
    assert found.net_mj == pytest.approx(2.0 * 60 / 30_000 * 1e3, rel=0.01)
    assert found.idle is not None
    assert found.idle.mean_mw == pytest.approx(1000, rel=0.02)
    assert (found.idle.begin_unix_ns, found.idle.samples) == (BEGIN, 150)
    late = energy_of(trace(times), times, watts, [held()], idle_s=25)
    assert late.net_mj is None
    assert "reach into the held load" in (late.no_net or "")
    short = energy_of(trace(times), times, watts, [held()], idle_s=2)
    assert "too few" in (short.no_net or "")


def test_repeats_give_an_interval_over_repeats() -> None:
    times, watts = samples()
    repeats = [held(20, 15, 7_500), held(40, 15, 7_500), held(60, 15, 7_500)]
    found = energy_of(trace(times), times, watts, repeats)
    assert "over 3 held stretches" in (found.interval or "")
    assert found.calls == 22_500
    assert found.gross_mj == pytest.approx(6.0, rel=0.005)


def test_an_interval_over_repeats_contains_the_truth_as_often_as_it_says() -> None:
    rng, inside = np.random.default_rng(1), 0
    for _ in range(300):
        times, watts = samples(noise=0.001)
        for number in range(4):  # a level of its own in each repeat
            at = (times >= BEGIN + (20 + 15 * number) * SECOND) & (times < BEGIN + (35 + 15 * number) * SECOND)
            watts[at] += rng.normal(0, 0.1)
        repeats = [held(20.5 + 15 * number, 14, 1_000) for number in range(4)]
        found = energy_of(trace(times, clock=ClockOffset(0, 0, "one")), times, watts, repeats)
        inside += (found.mean_low_mw or 0) <= 3000 <= (found.mean_high_mw or 0)
    assert 0.91 <= inside / 300 <= 0.99


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 30, 200])
def test_student_s_t_is_that_of_a_library(freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert student_t(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=2e-3)


@given(
    st.lists(st.floats(0.0, 100.0), min_size=3, max_size=30),
    st.integers(0, 10_000),
    st.integers(1, 10_000),
)
def test_energy_of_parts_is_energy_of_the_whole(watts: list[float], first: int, length: int) -> None:
    times = (np.arange(len(watts)) * 1000).astype(np.int64)
    values = np.array(watts)
    begin = first % (len(watts) * 1000 - 1002)
    end = min(begin + length + 1, int(times[-1]))
    middle = (begin + end) // 2
    if not begin < middle < end:
        return
    whole = mean_power(times, values, begin, end) * (end - begin)
    parts = mean_power(times, values, begin, middle) * (middle - begin)
    parts += mean_power(times, values, middle, end) * (end - middle)
    assert parts == pytest.approx(whole, rel=1e-9, abs=1e-6)
    assert values.min() - 1e-9 <= whole / (end - begin) <= values.max() + 1e-9


def test_the_offset_of_the_clocks_is_applied_and_its_doubt_widens_the_interval() -> None:
    times, watts = samples()
    ahead = times - 3 * SECOND  # the recorder is three seconds behind
    right = energy_of(trace(ahead, clock=ClockOffset(3000.0, 10.0, "told")), ahead, watts, [held()])
    wrong = energy_of(trace(ahead, clock=ClockOffset(0.0, 10.0, "told")), ahead, watts, [held()])
    assert right.mean_mw == pytest.approx(3000, rel=0.005)
    assert (wrong.mean_mw or 0) < 2950
    doubt = energy_of(trace(ahead, clock=ClockOffset(3000.0, 390.0, "told")), ahead, watts, [held()])
    assert (doubt.high_mj or 0) - (doubt.low_mj or 0) > (right.high_mj or 0) - (right.low_mj or 0)
    assert "clocks leave open" in (doubt.interval or "")


def refused(*, times=None, watts=None, stretches=None, throttled=None, **changes) -> str:
    first, second = samples()
    times, watts = (first if times is None else times), (second if watts is None else watts)
    found = energy_of(
        trace(times, **changes), times, watts, [held()] if stretches is None else stretches, throttled=throttled
    )
    assert found.gross_mj is found.low_mj is found.net_mj is None
    assert found.reason is not None
    return found.reason


def test_without_marks_there_is_no_energy() -> None:
    assert "--hold" in refused(stretches=[])


def test_a_battery_that_charges_is_refused() -> None:
    assert "charged" in refused(charging=True)


def test_a_device_that_throttled_is_refused() -> None:
    assert "throttled" in refused(throttled=True)


def test_clocks_that_are_unknown_or_too_far_apart_are_refused() -> None:
    assert "not known" in refused(clock=None)
    assert "401 ms" in refused(clock=ClockOffset(0.0, 401.0, "told"))
    short = [held(30, 4, 2_000)]
    assert "hold 6 s or more" in refused(clock=ClockOffset(0.0, 300.0, "told"), stretches=short)


def test_too_few_samples_are_refused_with_how_long_to_hold() -> None:
    assert "too few" in refused(stretches=[held(30, 2, 1_000)])
    assert "hold 3 s or more" in refused(stretches=[held(30, 2, 1_000)])


def test_a_trace_that_does_not_cover_the_stretch_is_refused_with_how_much_it_does() -> None:
    times, watts = samples(seconds=50)
    assert "covers 50%" in refused(times=times, watts=watts, partial="it was stopped after 50.0 of 90 s")
    assert "it was stopped" in refused(times=times, watts=watts, partial="it was stopped after 50.0 of 90 s")


def test_a_gap_in_the_stretch_is_refused_and_one_outside_is_not() -> None:
    times, watts = samples()
    hole = (times < BEGIN + 40 * SECOND) | (times > BEGIN + 43 * SECOND)
    assert "gaps of 3.20 s in the stretch, 5% of it" in refused(times=times[hole], watts=watts[hole])
    fault = Fault("stall", BEGIN + 42 * SECOND, "no reading for 2.0 s")
    assert "stalled" in refused(times=times[hole], watts=watts[hole], faults=(fault,))
    short = (times < BEGIN + 40 * SECOND) | (times > BEGIN + 42 * SECOND)
    assert energy_of(trace(times[short]), times[short], watts[short], [held()]).reason is None
    outside = (times < BEGIN + 90 * SECOND) | (times > BEGIN + 93 * SECOND)
    assert energy_of(trace(times[outside]), times[outside], watts[outside], [held()]).reason is None


def test_a_meter_that_repeats_one_value_has_stalled() -> None:
    watts = samples()[1]
    assert "stalled" in refused(watts=np.full_like(watts, 3.0))


def test_a_gauge_that_is_read_more_often_than_it_measures_has_fewer_samples() -> None:
    times, watts = samples()
    slow = watts[(np.arange(len(watts)) // 100) * 100]  # a new value each 10 s
    assert "5 new values" in refused(watts=slow)
    assert "hold 120 s or more" in refused(watts=slow)
    quick = watts[(np.arange(len(watts)) // 20) * 20]
    assert energy_of(trace(times), times, quick, [held()]).reason is None


def test_garbage_is_refused_where_it_is_more_than_a_link_loses() -> None:
    def garbage(count: int) -> tuple[Fault, ...]:
        return tuple(Fault("garbage", BEGIN + (30 + at) * SECOND, "3 bytes came") for at in range(count))

    assert "7 answers" in refused(faults=garbage(7))
    times, watts = samples()
    assert energy_of(trace(times, faults=garbage(6)), times, watts, [held()]).reason is None


@pytest.mark.parametrize("kind", ["counter", "lost samples", "stall"])
def test_other_faults_in_the_stretch_are_refused(kind: str) -> None:
    assert "happened" in refused(faults=(Fault(kind, BEGIN + 30 * SECOND, "it happened"),))  # type: ignore[arg-type]
    times, watts = samples()
    after = Fault(kind, BEGIN + 95 * SECOND, "it happened")  # type: ignore[arg-type]
    assert energy_of(trace(times, faults=(after,)), times, watts, [held()]).reason is None


def test_a_clock_that_was_set_is_refused_on_either_side() -> None:
    jumped = Fault("clock jump", BEGIN + 5 * SECOND, "the clock of this machine was set by +2.000 s")
    assert "was set by +2.000 s" in refused(faults=(jumped,))
    stretch = msgspec.structs.replace(held(), seconds=58.0)
    assert "device's clock was set" in refused(stretches=[stretch])


def test_values_that_are_no_power_are_refused() -> None:
    watts = samples()[1]
    assert "wrong way round" in refused(watts=-watts)
    watts[400] = np.nan
    assert "no numbers" in refused(watts=watts)


def test_failed_calls_are_refused() -> None:
    assert "failed" in refused(stretches=[held(errors=3)])
