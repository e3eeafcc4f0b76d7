"""Running one session for long: latency, temperature and memory in windows, and how far the last is from the first."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from edgeproof.documents.base import Document, Value
from edgeproof.documents.environment import Machine
from edgeproof.errors import UsageError
from edgeproof.formats.base import Session
from edgeproof.measure.feeds import Feed
from edgeproof.measure.machine import ROOT, read_machine, read_throttling, temperature_c, throttled_between
from edgeproof.measure.process import own_memory

__all__ = ["SoakReport", "SoakWindow", "soak"]


class SoakWindow(Value, frozen=True):
    """One stretch of the soak."""

    start_s: float
    count: int
    median_us: float
    max_us: float
    temperature_c: float | None
    resident_bytes: int | None


class SoakReport(Document, frozen=True):
    """What a soak saw."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.soak", 1)

    artifact: str
    device: str
    machine: Machine
    seconds: float
    window_seconds: float
    count: int
    windows: tuple[SoakWindow, ...]
    drift: float
    """Last window's median over the first's, minus one: 0.1 is ten percent slower at the end."""
    resident_growth_bytes: int | None
    """Last window's resident memory minus the first's."""
    throttled: bool | None
    not_measured: dict[str, str]


def soak(
    session: Session,
    feeds: Sequence[Feed],
    *,
    artifact: str,
    seconds: float,
    window_seconds: float,
    root: Path = ROOT,
    report: Callable[[str], None] = lambda _line: None,
) -> SoakReport:
    """Call the session with the feeds in turn until the time is over.

    Args:
        session: what runs; it is warmed up for a window, one second at most.
        feeds: its inputs.
        artifact: its name in the report.
        seconds: of the whole.
        window_seconds: of one window; there are at least two.
        root: file system of the machine's sensors.
        report: takes a line of progress a window.

    Raises:
        UsageError: the time has no room for two windows.
    """
    if window_seconds <= 0 or seconds < 2 * window_seconds:
        raise UsageError(
            f"a soak of {seconds:g} s has no two windows of {window_seconds:g} s",
            hint="soak longer, or take --window smaller",
        )
    _warm_up(session, feeds, min(1.0, window_seconds))
    throttling = read_throttling(root)
    windows: list[SoakWindow] = []
    begin = time.perf_counter()
    index = 0
    for number in range(int(seconds / window_seconds + 1e-9)):
        start = time.perf_counter()
        end = begin + (number + 1) * window_seconds
        values: list[int] = []
        while True:
            feed = feeds[index % len(feeds)]
            before = time.perf_counter_ns()
            session.run(feed)
            values.append(time.perf_counter_ns() - before)
            index += 1
            if time.perf_counter() >= end:
                break
        windows.append(_window(start - begin, values, root))
        report(f"{windows[-1].start_s:6.0f} s  {windows[-1].median_us:.1f} µs")
    first, last = windows[0], windows[-1]
    growth = None
    if first.resident_bytes is not None and last.resident_bytes is not None:
        growth = last.resident_bytes - first.resident_bytes
    throttled = throttled_between(throttling, read_throttling(root))
    missing = {"energy": "no power meter is attached"}
    if first.temperature_c is None:
        missing["temperature"] = "the system shows no temperature sensor"
    if throttled is None:
        missing["throttling"] = "the system shows no throttle counter"
    return SoakReport(
        artifact=artifact,
        device="host",
        machine=read_machine(root),
        seconds=round(time.perf_counter() - begin, 3),
        window_seconds=window_seconds,
        count=index,
        windows=tuple(windows),
        drift=round(last.median_us / first.median_us - 1, 4) if first.median_us else 0.0,
        resident_growth_bytes=growth,
        throttled=throttled,
        not_measured=missing,
    )


def _warm_up(session: Session, feeds: Sequence[Feed], seconds: float) -> None:
    end = time.perf_counter() + seconds
    while True:
        for feed in feeds[:10]:
            session.run(feed)
        if time.perf_counter() >= end:
            return


def _window(start_s: float, values_ns: Sequence[int], root: Path) -> SoakWindow:
    return SoakWindow(
        start_s=round(start_s, 3),
        count=len(values_ns),
        median_us=round(statistics.median(values_ns) / 1000, 3),
        max_us=round(max(values_ns) / 1000, 3),
        temperature_c=temperature_c(root),
        resident_bytes=own_memory().resident_bytes,
    )
