"""When calls are made: back to back, at a pace, or at intended times that nobody's delay moves."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["CLOSED_LOOP", "SPIN_NS", "Schedule", "sleep_until", "wait_until"]

SPIN_NS = 200_000
"""A sleep wakes late by tens of µs: the last stretch before an intended time is spent awake."""
LONGEST_SLEEP_S = 0.25
"""Between two looks whether it is over."""


@dataclass(frozen=True)
class Schedule:
    """When calls are made.

    Attributes:
        rate_per_s: calls have intended times at this rate, and latency counts from those, whenever the call before was
            over (no coordinated omission): requests that come from outside wait in a line.
        pace_s: seconds between the beginnings of calls, and latency counts from a call's own beginning: an app calls
            now and then and nothing waits in a line. A call that takes longer delays the next, which begins at once.
            The process sleeps in between and does not spin, so that the processor rests as it does in an app.
        poisson_seed: with a rate, times between intended ones are exponential, drawn from this seed (a Poisson
            process); None: they are equal.
        offset_s: of the first intended time, so that several callers with equal times between do not call at once.
        think_s: a pause after each answer; the next call begins after it.
        spin_ns: how long before an intended time is spent awake. Several callers in one process take the processor
            from each other with that: 0 sleeps to the end, and ``Timed.late_us`` says how late that was.

    With neither rate, pace nor pause the next call is made when the last is over.
    """

    rate_per_s: float | None = None
    pace_s: float | None = None
    poisson_seed: int | None = None
    offset_s: float = 0.0
    think_s: float | None = None
    spin_ns: int = SPIN_NS

    def arrivals(self) -> Iterator[int] | None:
        """Intended times in ns from the first one on; None without a rate. A Poisson process begins with a wait."""
        if self.rate_per_s is None:
            return None
        if self.poisson_seed is None:
            first_ns, interval_ns = self.offset_s * 1e9, 1e9 / self.rate_per_s
            return (int(first_ns + index * interval_ns) for index in itertools.count())
        return _poisson(self.rate_per_s, self.poisson_seed)


def _poisson(rate_per_s: float, seed: int) -> Iterator[int]:
    drawn, at = random.Random(seed), 0.0
    while True:
        at += drawn.expovariate(rate_per_s)
        yield int(at * 1e9)


CLOSED_LOOP = Schedule()


def wait_until(intended_ns: int, spin_ns: int = SPIN_NS, stopped: Callable[[], bool] | None = None) -> None:
    """Wait for a time of ``perf_counter_ns``, the last stretch awake; no longer than until it is stopped."""
    while (left := intended_ns - time.perf_counter_ns()) > 0:
        if left > spin_ns:
            time.sleep(min((left - spin_ns) / 1e9, LONGEST_SLEEP_S))
            if stopped is not None and stopped():
                return


def sleep_until(due_ns: int, stopped: Callable[[], bool] | None = None) -> None:
    """Sleep to a time of ``perf_counter_ns``, and not beyond: in one go, or until it is stopped."""
    while (left := due_ns - time.perf_counter_ns()) > 0:
        if stopped is None:
            time.sleep(left / 1e9)
        else:
            time.sleep(min(left / 1e9, LONGEST_SLEEP_S))
            if stopped():
                return
