"""The measuring loop: one call after the other, each timed alone and its value kept.

There is one, for sessions, for the client and for a soak. It times a call; what the call does, and in which process, is
the caller's business.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from edgeproof.errors import UsageError

__all__ = ["Schedule", "Settings", "Timed", "still_collector", "time_calls"]

Given = TypeVar("Given")

WARMUP_SHARE = 0.25
"""Of the time cap: the warm-up takes no more, so that a slow model is still measured."""
SPIN_NS = 200_000
"""A sleep wakes late by tens of µs: the last stretch before an intended time is spent awake."""


@dataclass(frozen=True)
class Schedule:
    """When calls are made.

    Attributes:
        rate_per_s: calls have intended times at this rate, and latency counts from those, whenever the call before was
            over (no coordinated omission); None: the next call is made when the last is over.
    """

    rate_per_s: float | None = None


CLOSED_LOOP = Schedule()


@dataclass(frozen=True)
class Settings:
    """How long to measure.

    Attributes:
        count: measured calls; None: until the time is over.
        warmup: calls before them, one after the other.
        seconds: a cap on the wall time of the whole; the warm-up takes at most a quarter of it.
        minimum: measured calls that are made whatever the cap says.
        first: number of the first call: it goes on where another stretch ended.
    """

    count: int | None = None
    warmup: int = 0
    seconds: float | None = None
    minimum: int = 4
    first: int = 0


@dataclass(frozen=True)
class Timed:
    """Latencies after the warm-up.

    Attributes:
        values_us: one value a call that gave an answer, in order, µs.
        calls: calls that were made.
        warmup: calls before them.
        seconds: wall time of the measured stretch.
        cpu_percent: processor time of this process over wall time, percent of one core.
    """

    values_us: list[float]
    calls: int
    warmup: int
    seconds: float
    cpu_percent: float | None


@contextlib.contextmanager
def still_collector() -> Iterator[None]:
    """Garbage collection rests inside the block: what lives is frozen, nothing is collected.

    A block inside another looks at what is new alone: no pause between two stretches of one measurement.
    """
    gc.collect()
    if not gc.isenabled():
        yield
        return
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def time_calls(
    call: Callable[[Given], object],
    given: Sequence[Given],
    settings: Settings,
    *,
    schedule: Schedule = CLOSED_LOOP,
    around: contextlib.AbstractContextManager[object] | None = None,
) -> Timed:
    """Call ``call`` with what is given, in turn, and time each call with ``perf_counter_ns``.

    Args:
        call: what is measured; where it returns False it gave no answer, and its time is not kept.
        given: its arguments, used in a cycle.
        settings: how long.
        schedule: when.
        around: entered after the warm-up and left after the last call, such as a look at another process.

    Raises:
        UsageError: nothing is given, or a count is out of range.
    """
    count, warmup = settings.count, settings.warmup
    if not given:
        raise UsageError("nothing to measure with: there is no sample")
    if warmup < 0 or (count is not None and count < 1) or (count is None and settings.seconds is None):
        raise UsageError(f"cannot measure {count} calls after {warmup} warm-up calls: expected at least 1 and 0")
    clock, size = time.perf_counter_ns, len(given)
    interval_ns = None if schedule.rate_per_s is None else 1e9 / schedule.rate_per_s
    values: list[int] = []
    with still_collector():
        began = clock()
        end = None if settings.seconds is None else began + int(settings.seconds * 1e9)
        warmed = _warm_up(call, given, settings, began)
        with around or contextlib.nullcontext():
            busy, start = time.process_time_ns(), clock()
            made = 0
            while count is None or made < count:
                argument = given[(settings.first + made) % size]
                if interval_ns is None:
                    before = clock()
                else:
                    before = start + int(made * interval_ns)
                    _wait_until(before)
                answered = call(argument)
                after = clock()
                made += 1
                if answered is not False:
                    values.append(after - before)
                if end is not None and after > end and made >= settings.minimum:
                    break
            wall = clock() - start
            busy = time.process_time_ns() - busy
    return Timed(
        values_us=[value / 1000 for value in values],
        calls=made,
        warmup=warmed,
        seconds=wall / 1e9,
        cpu_percent=round(100 * busy / wall, 1) if wall > 0 else None,
    )


def _warm_up(call: Callable[[Given], object], given: Sequence[Given], settings: Settings, began_ns: int) -> int:
    """How many calls were made."""
    end = None if settings.seconds is None else began_ns + int(settings.seconds * WARMUP_SHARE * 1e9)
    for index in range(settings.warmup):
        call(given[index % len(given)])
        if end is not None and time.perf_counter_ns() > end:
            return index + 1
    return settings.warmup


def _wait_until(intended_ns: int) -> None:
    while (left := intended_ns - time.perf_counter_ns()) > 0:
        if left > SPIN_NS:
            time.sleep((left - SPIN_NS) / 1e9)
