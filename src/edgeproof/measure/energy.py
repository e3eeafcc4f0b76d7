"""Energy of one call: the power over a held load, and the calls that were made in it. Or the reason why there is none.

Gross first: mean power of the stretch × its length ÷ its calls, idle power included, as MLPerf Power counts it (Tschand
et al., MLPerf Power, 2024: power and performance of the same run, between marks on clocks within 400 ms, nothing
subtracted). Less idle power second, with the window that this is taken of. It reads no meter and no file.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev
from typing import Any

import numpy as np

from edgeproof.documents.held import Held
from edgeproof.documents.power import Energy, IdleWindow, PowerTrace
from edgeproof.measure.metering import ENOUGH, broken, why_not
from edgeproof.measure.power_samples import Samples, Times, Watts, mean_power

__all__ = ["energy_of", "student_t"]

BLOCKS = 10
REPEATS = 3
"""Stretches that an interval is taken over; of fewer it is taken over blocks."""
CONFIDENCE = 0.95


def energy_of(
    trace: PowerTrace,
    unix_ns: Times,
    watts: Watts,
    held: Sequence[Held],
    *,
    throttled: bool | None = None,
    idle_s: float | None = None,
) -> Energy:
    """Energy of one call of what was held.

    Args:
        trace: what is known of the samples.
        unix_ns: their times, ascending, on the recorder's clock.
        watts: as many.
        held: the stretches, on the device's clock; one a repeat.
        throttled: whether the device throttled meanwhile; None: it does not tell.
        idle_s: seconds at the trace's beginning in which nothing ran; None: not known, and no net figure.

    Returns:
        the figures, or ``reason`` and none.
    """
    told = Energy(
        meter=trace.meter, source=trace.source, omits=trace.omits, estimate=trace.estimate, clock=trace.clock,
        stretches=len(held),
    )  # fmt: skip
    reason = why_not(trace, unix_ns, watts, held, throttled=throttled)
    if reason is not None:
        return _with(told, reason=reason)
    shift = round((trace.clock.offset_ms if trace.clock else 0.0) * 1e6)
    samples = Samples(unix_ns + shift, watts)
    seconds = [stretch.seconds for stretch in held]
    calls = sum(stretch.calls for stretch in held)
    powers = [mean_power(samples.unix_ns, watts, stretch.begin_unix_ns, stretch.end_unix_ns) for stretch in held]
    joules = math.fsum(power * length for power, length in zip(powers, seconds, strict=True))
    mean = joules / math.fsum(seconds)
    low, high, how = interval(samples, held, powers, mean)
    left_open = clock_effect(samples, held, powers, trace.clock.within_ms if trace.clock else 0.0)
    if left_open > 0.0:
        low, high = low - left_open, high + left_open
        how += f", widened by the {1000 * left_open:.3g} mW that the clocks leave open"
    per_call = math.fsum(seconds) / calls * 1e3
    told = _with(
        told,
        gross_mj=mean * per_call,
        low_mj=max(low, 0.0) * per_call,
        high_mj=high * per_call,
        interval=how,
        mean_mw=1e3 * mean,
        mean_low_mw=1e3 * max(low, 0.0),
        mean_high_mw=1e3 * high,
        calls=calls,
        seconds=math.fsum(seconds),
        samples=sum(samples.within(stretch.begin_unix_ns, stretch.end_unix_ns) for stretch in held),
        begin_unix_ns=min(stretch.begin_unix_ns for stretch in held),
        end_unix_ns=max(stretch.end_unix_ns for stretch in held),
    )
    idle, no_net = idle_window(trace, samples, held, idle_s, shift)
    if idle is None:
        return _with(told, no_net=no_net)
    net = mean - idle.mean_mw / 1e3
    if net <= 0:
        return _with(told, idle=idle, no_net="idle power is not below the power under load")
    return _with(told, idle=idle, net_mj=net * per_call)


def _with(told: Energy, **changes: Any) -> Energy:
    import msgspec

    return msgspec.structs.replace(told, **changes)


def interval(samples: Samples, held: Sequence[Held], powers: Sequence[float], mean: float) -> tuple[float, float, str]:
    """95 % confidence interval of the mean power, in W, and how it was taken.

    Of three stretches or more: Student's t over their means. Of fewer: batch means (Law, Simulation Modeling and
    Analysis, 9.5): each stretch in ten blocks of equal length, Student's t over the blocks, and wide enough for each
    stretch's own mean; it says how steady the power was, not how one repeat differs from the next.
    """
    if len(held) >= REPEATS:
        half = student_t(len(powers) - 1) * stdev(powers) / math.sqrt(len(powers))
        centre = fmean(powers)
        low, high = min(centre - half, mean), max(centre + half, mean)
        return low, high, f"95 %, Student's t over {len(powers)} held stretches"
    blocks: list[float] = []
    for stretch in held:
        count = min(BLOCKS, samples.within(stretch.begin_unix_ns, stretch.end_unix_ns) // 3)
        edges = np.linspace(stretch.begin_unix_ns, stretch.end_unix_ns, count + 1).astype(np.int64)
        blocks += [
            mean_power(samples.unix_ns, samples.watts, int(begin), int(end)) for begin, end in itertools.pairwise(edges)
        ]
    half = student_t(len(blocks) - 1) * stdev(blocks) / math.sqrt(len(blocks))
    low, high = min(mean - half, *powers, mean), max(mean + half, *powers, mean)
    stretches = "one held stretch" if len(held) == 1 else f"{len(held)} held stretches"
    return low, high, f"95 %, Student's t over {len(blocks)} blocks of {stretches}"


def student_t(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The two-sided quantile of Student's t: exact for 1 and 2 degrees of freedom, else by its expansion around the
    normal one (Abramowitz and Stegun 26.7.5), which is right to three digits from 3 on."""
    share = (1 + confidence) / 2
    if freedom < 2:
        return math.tan(math.pi * (share - 0.5))
    if freedom == 2:
        return (2 * share - 1) / math.sqrt(2 * share * (1 - share))
    z = NormalDist().inv_cdf(share)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))


def clock_effect(samples: Samples, held: Sequence[Held], powers: Sequence[float], within_ms: float) -> float:
    """By how many watts the mean moves when the stretches are moved by as much as the clocks leave open."""
    shift = round(within_ms * 1e6)
    if not shift:
        return 0.0
    moved = []
    for stretch, power in zip(held, powers, strict=True):
        for by in (-shift, shift):
            begin, end = stretch.begin_unix_ns + by, stretch.end_unix_ns + by
            moved.append(abs(mean_power(samples.unix_ns, samples.watts, begin, end) - power))
    return max(moved)


def idle_window(
    trace: PowerTrace, samples: Samples, held: Sequence[Held], idle_s: float | None, shift: int
) -> tuple[IdleWindow | None, str | None]:
    """Idle power, or why there is none."""
    if idle_s is None:
        return None, "no idle stretch was told: record it before the load runs, and say how long: --idle 60s"
    begin = int(samples.unix_ns[0])
    end = begin + round(idle_s * 1e9)
    if end > min(stretch.begin_unix_ns for stretch in held):
        return None, f"the {idle_s:g} s told to be idle reach into the held load"
    count = samples.within(begin, end)
    if count < ENOUGH:
        return None, f"{count} samples in the idle stretch are too few: {ENOUGH} are needed"
    fault = broken(trace, samples, begin, end, shift)
    if fault is not None and not fault.startswith("mean power"):
        return None, f"idle power: {fault}"
    power = mean_power(samples.unix_ns, samples.watts, begin, end)
    return IdleWindow(begin_unix_ns=begin, end_unix_ns=end, samples=count, mean_mw=1e3 * power), None
