"""The measuring loop: one call after the other, each timed alone and its value kept.

There is one, for sessions, for the client and for a soak. It times a call; what the call does, and in which process, is
the caller's business.
"""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from edgeproof.errors import UsageError
from edgeproof.measure.schedule import CLOSED_LOOP, Schedule, sleep_until, wait_until
from edgeproof.measure.settling import is_stable

__all__ = ["Beside", "Endured", "Schedule", "Settings", "Timed", "still_collector", "time_calls"]

Given = TypeVar("Given")

WARMUP_SHARE = 0.25
"""Of the time cap: the warm-up takes no more, so that a slow model is still measured."""
PACED_WARMUP = 3
"""Calls at the pace after the busy warm-up: they still find the processor awake, and are not counted."""


class Beside(Protocol):
    """What is looked at between calls, never inside of one."""

    @property
    def every_s(self) -> float:
        """Seconds between two looks, at least."""
        ...

    def look(self) -> None: ...


class Endured:
    """Calls that raised, where a measurement goes on after them, and how long it took until one gave an answer again.

    Attributes:
        count: errors so far.
        last: the last of them.
        recovered_s: from the first error of a row to the next answer, of the longest row; None where none ended.
    """

    def __init__(self) -> None:
        self.count = 0
        self.last: Exception | None = None
        self.recovered_s: float | None = None
        self.failing_since_ns: int | None = None

    def met(self, error: Exception, began_ns: int) -> None:
        """A call that began then raised."""
        self.count += 1
        self.last = error
        if self.failing_since_ns is None:
            self.failing_since_ns = began_ns

    def over(self, now_ns: int) -> None:
        """A call gave an answer."""
        if self.failing_since_ns is not None:
            took = (now_ns - self.failing_since_ns) / 1e9
            self.recovered_s = max(self.recovered_s or 0.0, took)
            self.failing_since_ns = None


@dataclass(frozen=True)
class Settings:
    """How long to measure.

    Attributes:
        count: measured calls; None: until the time is over.
        warmup: calls before them, one after the other.
        most_warmup: the warm-up goes on to so many until it is stable; None: it is a count.
        seconds: a cap on the wall time of the whole; the warm-up takes at most a quarter of it. Calls with an intended
            time before it are made, up to as long again: what waits in a line would be missing among the latencies.
        minimum: measured calls that are made whatever the cap says.
        first: number of the first call: it goes on where another stretch ended.
        keep: values that are kept at most; beyond that they are thinned evenly, every second, every fourth. None: all.
        answers: calls that gave an answer, after which it is over, however many were made; None: it does not matter.
        stopped: asked before each call whether it is over.
    """

    count: int | None = None
    warmup: int = 0
    most_warmup: int | None = None
    seconds: float | None = None
    minimum: int = 4
    first: int = 0
    keep: int | None = None
    answers: int | None = None
    stopped: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Timed:
    """Latencies after the warm-up.

    Attributes:
        values_us: one value a call that gave an answer, in order, µs.
        calls: calls that were made.
        warmup: calls before them.
        seconds: wall time of the measured stretch.
        cpu_percent: processor time of this process over wall time, percent of one core.
        begin_unix_ns: when the measured stretch began, on the system's clock; ``end_unix_ns`` likewise.
        busy_s: time inside of calls that gave an answer.
        answered: how many gave one.
        max_us: the longest of them, kept or not.
        stable: whether the last windows of the warm-up agreed; None where it was a count.
        late_us: with intended times, how late each call began for which the caller was free in time, µs: what the
            caller itself adds to its latencies.
        interrupted: whether an interruption ended it.
    """

    values_us: list[float]
    calls: int
    warmup: int
    seconds: float
    cpu_percent: float | None
    begin_unix_ns: int = 0
    end_unix_ns: int = 0
    busy_s: float = 0.0
    answered: int = 0
    max_us: float = 0.0
    stable: bool | None = None
    late_us: list[float] = field(default_factory=list)
    interrupted: bool = False


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
    beside: Beside | None = None,
    endured: Endured | None = None,
    kept: Callable[[Timed], None] | None = None,
) -> Timed:
    """Call ``call`` with what is given, in turn, and time each call with ``perf_counter_ns``.

    Args:
        call: what is measured; where it returns False it gave no answer, and its time is not kept.
        given: its arguments, used in a cycle.
        settings: how long.
        schedule: when.
        around: entered after the warm-up and left after the last call, such as a look at another process, or a wait
            for others, which does not count as time.
        beside: looked at between calls.
        endured: takes what a call raises, which gave no answer then; None: it is raised.
        kept: takes what was measured when it is interrupted, before the interruption is raised.

    Raises:
        UsageError: nothing is given, or a count is out of range.
        KeyboardInterrupt: it was interrupted.
    """
    count, warmup = settings.count, settings.warmup
    if not given:
        raise UsageError("nothing to measure with: there is no sample")
    if warmup < 0 or (count is not None and count < 1) or (count is None and settings.seconds is None):
        raise UsageError(f"cannot measure {count} calls after {warmup} warm-up calls: expected at least 1 and 0")
    clock, size, keep = time.perf_counter_ns, len(given), settings.keep or math.inf
    pace_ns = None if schedule.pace_s is None else int(schedule.pace_s * 1e9)
    arrivals = schedule.arrivals()
    answers, stopped = settings.answers or math.inf, settings.stopped
    values: list[int] = []
    late: list[int] = []
    interruption: KeyboardInterrupt | None = None
    with still_collector():
        began = clock()
        end = None if settings.seconds is None else began + int(settings.seconds * 1e9)
        warmed, stable = _warm_up(call, given, settings, schedule, began)
        entered = clock()
        with around or contextlib.nullcontext():
            end = None if end is None else end + clock() - entered
            last = end if arrivals is None or end is None else end + int((settings.seconds or 0.0) * 1e9)
            busy, begin_unix_ns, start = time.process_time_ns(), time.time_ns(), clock()
            made = answered = total = most = 0
            stride, due = 1, start + (pace_ns or 0)
            looked = start
            try:
                while (count is None or made < count) and answered < answers:
                    if stopped is not None and stopped():
                        break
                    argument = given[(settings.first + made) % size]
                    if arrivals is not None:
                        before, free = start + next(arrivals), clock()
                        if end is not None and before > end and made >= settings.minimum:
                            break
                        wait_until(before, schedule.spin_ns, stopped)
                        if free <= before:
                            late.append(clock() - before)
                    else:
                        if pace_ns is not None:
                            sleep_until(due, stopped)
                        before = clock()
                    try:
                        answer = call(argument)
                    except Exception as error:
                        if endured is None:
                            raise
                        endured.met(error, before)
                        answer = False
                    after = clock()
                    made += 1
                    if answer is not False:
                        took = after - before
                        total += took
                        if took > most:
                            most = took
                        if answered % stride == 0:
                            values.append(took)
                            if len(values) >= keep:
                                values, stride = values[::2], 2 * stride
                        answered += 1
                        if endured is not None:
                            endured.over(after)
                    if pace_ns is not None:
                        due = max(due + pace_ns, after)
                    if last is not None and after > last and made >= settings.minimum:
                        break
                    if schedule.think_s is not None:
                        sleep_until(after + int(schedule.think_s * 1e9), stopped)
                    if beside is not None and after - looked > beside.every_s * 1e9:
                        beside.look()
                        looked = clock()
            except KeyboardInterrupt as error:
                if kept is None:
                    raise
                interruption = error
            wall, end_unix_ns = clock() - start, time.time_ns()
            busy = time.process_time_ns() - busy
    timed = Timed(
        values_us=[value / 1000 for value in values],
        calls=made,
        warmup=warmed,
        seconds=wall / 1e9,
        cpu_percent=round(100 * busy / wall, 1) if wall > 0 else None,
        begin_unix_ns=begin_unix_ns,
        end_unix_ns=end_unix_ns,
        busy_s=total / 1e9,
        answered=answered,
        max_us=most / 1000,
        stable=stable,
        late_us=[value / 1000 for value in late],
        interrupted=interruption is not None,
    )
    if interruption is not None and kept is not None:
        kept(timed)
        raise interruption
    return timed


def _warm_up(
    call: Callable[[Given], object], given: Sequence[Given], settings: Settings, schedule: Schedule, began_ns: int
) -> tuple[int, bool | None]:
    """How many calls were made, and whether the last of those that were back to back agreed."""
    end = None if settings.seconds is None else began_ns + int(settings.seconds * WARMUP_SHARE * 1e9)
    most = max(settings.warmup, settings.most_warmup or 0)
    seen: list[int] = []
    made = 0
    while made < most and not (made >= settings.warmup and is_stable(seen) is not False):
        before = time.perf_counter_ns()
        call(given[made % len(given)])
        made += 1
        seen.append(time.perf_counter_ns() - before)
        if end is not None and time.perf_counter_ns() > end:
            break
    if schedule.pace_s is not None:
        for index in range(PACED_WARMUP if settings.warmup else 0):
            time.sleep(schedule.pace_s)
            call(given[(made + index) % len(given)])
            made += 1
    return made, is_stable(seen) if settings.most_warmup is not None else None
