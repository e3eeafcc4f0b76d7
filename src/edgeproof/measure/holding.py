"""A session called back to back for a time, window by window: for a meter, for a rank that lasts, for a soak.

A window's single values are thinned and gone with it: they are not the session's memory. What a call raises is counted,
and the load goes on; a window without any answer ends it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from edgeproof.documents.held import Held
from edgeproof.documents.soak import SoakWindow
from edgeproof.errors import ArtifactError, UsageError
from edgeproof.measure.heat import HeatWatch
from edgeproof.measure.latency import Endured, Settings, still_collector, time_calls
from edgeproof.measure.process import own_memory
from edgeproof.measure.statistics import percentile

__all__ = ["hold", "window_of", "windows"]

Given = TypeVar("Given")

KEPT = 4096
"""Values of a window: a median and a 90th percentile of them are read in about a millisecond."""
SHORTEST_S, LONGEST_S, SHARE = 0.1, 60.0, 20


def window_of(seconds: float, longest_s: float = LONGEST_S) -> float:
    """Seconds of one window of a load of so many: a twentieth of it, within bounds."""
    return max(SHORTEST_S, min(longest_s, seconds / SHARE))


def windows(
    call: Callable[[Given], object], given: Sequence[Given], seconds: float, window_s: float, watch: HeatWatch
) -> Iterator[SoakWindow]:
    """Call with the inputs in turn until the time is over, and tell each window when it is.

    Args:
        call: what runs.
        given: its inputs.
        seconds: of the whole.
        window_s: of one window; what is left at the end is none where it is shorter than half of one.
        watch: the sensors.

    Raises:
        UsageError: the time has no room for a window.
        ArtifactError: a window had no answer, only errors.
    """
    if window_s <= 0 or seconds < window_s:
        raise UsageError(f"{seconds:g} s have no room for a window of {window_s:g} s", hint="take a smaller window")
    with still_collector():
        began, made = time.perf_counter(), 0
        failing: int | None = None
        for number in range(round(seconds / window_s)):
            start, endured = time.perf_counter(), Endured()
            left = min(began + (number + 1) * window_s, began + seconds) - start
            endured.failing_since_ns = failing
            timed = time_calls(
                call,
                given,
                Settings(seconds=left, minimum=1, first=made, keep=KEPT),
                beside=watch,
                endured=endured,
            )
            made += timed.calls
            failing = endured.failing_since_ns
            if not timed.answered:
                told = f"{type(endured.last).__name__}: {endured.last}" if endured.last else "it gave no answer"
                raise ArtifactError(f"none of {timed.calls} calls in {timed.seconds:.1f} s gave an answer: {told}")
            seen = watch.seen()
            ascending = sorted(timed.values_us)
            yield SoakWindow(
                start_s=round(start - began, 3),
                count=timed.answered,
                median_us=round(statistics.median(ascending), 3),
                max_us=round(timed.max_us, 3),
                temperature_c=seen.temperature_c,
                resident_bytes=own_memory().resident_bytes,
                mean_us=round(1e6 * timed.busy_s / timed.answered, 3),
                p90_us=percentile(ascending, 0.90).value_us,
                p95_us=percentile(ascending, 0.95).value_us,
                p99_us=percentile(ascending, 0.99).value_us,
                mhz=seen.mhz,
                cpu_percent=timed.cpu_percent,
                throttled=seen.throttled,
                errors=endured.count,
                recovered_s=None if endured.recovered_s is None else round(endured.recovered_s, 6),
            )


def hold(
    call: Callable[[Given], object], given: Sequence[Given], seconds: float, window_s: float, watch: HeatWatch
) -> Held:
    """Hold a load, with marks of its begin and end on the system's clock.

    Args and errors: as of ``windows``.
    """
    with still_collector():
        begin_unix_ns, begin_busy, start = time.time_ns(), time.process_time(), time.perf_counter()
        found = tuple(windows(call, given, seconds, window_s, watch))
        lasted, end_unix_ns, busy = time.perf_counter() - start, time.time_ns(), time.process_time() - begin_busy
    calls = sum(window.count for window in found)
    inside = sum((window.mean_us or 0.0) * window.count for window in found) / 1e6
    return Held(
        seconds=round(lasted, 6),
        calls=calls,
        begin_unix_ns=begin_unix_ns,
        end_unix_ns=end_unix_ns,
        median_us=round(statistics.median(window.median_us for window in found), 3),
        mean_us=round(1e6 * inside / calls, 3),
        busy_share=round(inside / lasted, 4),
        cpu_percent=round(100 * busy / lasted, 1),
        windows=found,
        errors=sum(window.errors for window in found),
    )
