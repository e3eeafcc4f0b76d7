"""The measuring loop: warm-up, then one call after the other, each timed alone and its value kept.

It times a call; what the call does, and in which process, is the caller's business.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from edgeproof.errors import UsageError

__all__ = ["Timed", "still_collector", "time_calls"]

Feed = TypeVar("Feed")

WARMUP_SHARE = 0.25
"""Of the time cap: the warm-up takes no more, so that a slow model is still measured."""


@dataclass(frozen=True)
class Timed:
    """Latencies after the warm-up.

    Attributes:
        values_us: one value a call, in order, µs.
        warmup: calls before them.
        seconds: wall time of the measured stretch.
        cpu_percent: processor time of this process over wall time, percent of one core.
    """

    values_us: list[float]
    warmup: int
    seconds: float
    cpu_percent: float | None


@contextlib.contextmanager
def still_collector() -> Iterator[None]:
    """Garbage collection rests inside the block: what lives is frozen, nothing is collected."""
    was_on = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
        gc.unfreeze()


def time_calls(
    call: Callable[[Feed], object],
    feeds: Sequence[Feed],
    *,
    warmup: int,
    count: int,
    seconds: float | None = None,
    minimum: int = 4,
) -> Timed:
    """Call ``call`` with the feeds in turn and time each call with ``perf_counter_ns``.

    Args:
        call: what is measured.
        feeds: its arguments, used in a cycle.
        warmup: calls before the measured ones.
        count: measured calls.
        seconds: a cap on the wall time of the whole; the warm-up takes at most a quarter of it.
        minimum: measured calls that are made whatever the cap says.

    Raises:
        UsageError: there are no feeds, or a count is out of range.
    """
    if not feeds:
        raise UsageError("nothing to measure with: there is no sample")
    if count < 1 or warmup < 0:
        raise UsageError(f"cannot measure {count} calls after {warmup} warm-up calls: expected at least 1 and 0")
    clock = time.perf_counter_ns
    size = len(feeds)
    values: list[int] = []
    with still_collector():
        begin = clock()
        warm_end = None if seconds is None else begin + int(seconds * WARMUP_SHARE * 1e9)
        warmed = 0
        for index in range(warmup):
            call(feeds[index % size])
            warmed += 1
            if warm_end is not None and clock() > warm_end:
                break
        busy, start = time.process_time_ns(), clock()
        end = None if seconds is None else begin + int(seconds * 1e9)
        for index in range(count):
            feed = feeds[index % size]
            before = clock()
            call(feed)
            after = clock()
            values.append(after - before)
            if end is not None and after > end and len(values) >= minimum:
                break
        wall = clock() - start
        busy = time.process_time_ns() - busy
    return Timed(
        values_us=[value / 1000 for value in values],
        warmup=warmed,
        seconds=wall / 1e9,
        cpu_percent=round(100 * busy / wall, 1) if wall > 0 else None,
    )
