"""The figures of a soak, each beside its limit: errors, memory, throttling, clock, latency, temperature.

How a figure goes is Theil and Sen's slope (``trends``): of latency, temperature, frequency and errors over all of the
soak, of resident memory within each process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from edgeproof.documents.latency import WHOLE_CORE_PERCENT
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.soak import SoakReport, SoakWindow
from edgeproof.verdict.trends import HOUR_S, Point, Trend, trend_of
from edgeproof.verdict.wording import figure, lasting

__all__ = ["SETTLED_S", "Finding", "Watched", "findings_of", "growth_words", "memory_trend"]

WARMING = 0.1
"""Share of a process's time whose windows are left out of the trend of memory: caches and pools fill."""
SETTLED_S = 600.0
"""A trend over less may be a cache that fills, unless the growth itself is beyond what is allowed."""
UNSETTLED = 5
"""Times the limit of latency that the lower end of such a trend must be beyond: a second has hiccups."""
HAD = 0.9
"""Of the processor's share in the best windows: with less of it others were at work."""

Watched = Literal["errors", "memory", "throttling", "latency", "temperature", "clock"]


@dataclass(frozen=True)
class Finding:
    """One figure of a soak.

    Attributes:
        name: of what.
        text: how it goes, beside its limit.
        beyond: whether it is beyond that; None where that cannot be told.
        trend: of the figure; None where the device does not tell it, or the windows are too few.
    """

    name: Watched
    text: str
    beyond: bool | None
    trend: Trend | None = None


def findings_of(soak: SoakReport, policy: PolicyValue) -> tuple[Finding, ...]:
    """All that the device tells, the gravest first."""
    found = (
        _errors(soak, policy),
        _memory(soak, policy),
        _throttling(soak, policy),
        _clock(soak, policy),
        _latency(soak, policy),
        _temperature(soak),
    )
    return tuple(finding for finding in found if finding is not None)


def memory_trend(windows: Sequence[SoakWindow]) -> Trend | None:
    """How resident memory goes within processes, bytes; None where the system does not tell it, or the windows are too
    few. The first tenth of each process is left out."""
    pieces: dict[int, list[SoakWindow]] = {}
    for window in windows:
        pieces.setdefault(window.segment, []).append(window)
    points: list[list[Point]] = []
    for piece in pieces.values():
        begins = piece[0].start_s + WARMING * (piece[-1].start_s - piece[0].start_s)
        points.append(_points([w for w in piece if w.start_s >= begins], lambda window: window.resident_bytes))
    return trend_of(points)


def _points(windows: Sequence[SoakWindow], of: Callable[[SoakWindow], float | None]) -> list[Point]:
    return [(window.start_s, float(value)) for window in windows if (value := of(window)) is not None]


def growth_words(trend: Trend) -> str:
    """``resident memory grows by 60 MB per hour``."""
    how = "grows" if trend.per_hour >= 0 else "shrinks"
    return f"resident memory {how} by {figure(abs(trend.per_hour) / 1e6)} MB per hour"


def _memory(soak: SoakReport, policy: PolicyValue) -> Finding | None:
    """Beyond its limit over the hours asked for, or surely so though they are not over."""
    if all(window.resident_bytes is None for window in soak.windows):
        return None
    trend, ran = memory_trend(soak.windows), soak.seconds / HOUR_S
    if trend is None:
        return Finding("memory", "memory: too few windows for a trend", None)
    hours = policy.soak_hours or ran
    long_enough = soak.seconds + soak.window_seconds >= HOUR_S * hours
    allowed = max(policy.soak_growth * trend.first, policy.soak_growth_mb * 1e6)
    grown = trend.per_hour * hours
    settled = trend.span_s >= SETTLED_S or trend.change > allowed
    sure = trend.at_least is not None and trend.at_least * hours > allowed
    beyond = (long_enough and grown > allowed) or (settled and sure)
    within = f"{figure(max(grown, 0) / 1e6)} MB in {lasting(hours)}, limit {figure(allowed / 1e6)} MB"
    over = f" over {lasting(ran)}" if beyond else ""
    return Finding("memory", f"{growth_words(trend)}{over}{':' if beyond else ','} {within}", beyond, trend)


def _latency(soak: SoakReport, policy: PolicyValue) -> Finding:
    """Beyond its limit where it surely rises; before a trend has settled, where its lower end is far beyond."""
    own = _undisturbed(soak.windows)
    if 2 * len(own) < len(soak.windows):
        busy = f"others had the processor in {len(soak.windows) - len(own)} of {len(soak.windows)} windows"
        return Finding("latency", f"latency: {busy}, so its trend is not the artifact's own", None)
    trend = trend_of([_points(own, lambda window: window.median_us)])
    if trend is None:
        return Finding("latency", "latency: too few windows for a trend", None)
    text = f"median latency {_moves(trend)} over {lasting(soak.seconds / HOUR_S)}"
    limit = policy.soak_drift
    least = (trend.at_least or 0.0) * trend.span_s / HOUR_S / trend.first if trend.first else 0.0
    settled = soak.seconds >= SETTLED_S
    beyond = trend.rises and (trend.share > limit if settled else least > UNSETTLED * limit)
    return Finding("latency", f"{text}, limit {figure(100 * limit)} %", beyond, trend)


def _undisturbed(windows: Sequence[SoakWindow]) -> list[SoakWindow]:
    """Those in which the process had the processor as in its best ones, where it computes without a pause."""
    shares = sorted(window.cpu_percent for window in windows if window.cpu_percent is not None)
    best = shares[int(0.95 * (len(shares) - 1))] if shares else 0.0
    if best < WHOLE_CORE_PERCENT:
        return list(windows)
    return [window for window in windows if window.cpu_percent is None or window.cpu_percent >= HAD * best]


def _moves(trend: Trend) -> str:
    """``rises by 12 % (surely)``."""
    how = "rises" if trend.change >= 0 else "falls"
    sure = "surely" if trend.rises or trend.falls else "perhaps by chance"
    return f"{how} by {figure(100 * abs(trend.share))} % ({sure})"


def _clock(soak: SoakReport, policy: PolicyValue) -> Finding | None:
    """A clock that goes down is throttling, though the device may not say so."""
    points = _points(soak.windows, lambda window: window.mhz)
    trend = trend_of([points])
    if trend is None:
        return None
    beyond = policy.throttled != "count" and trend.falls and -trend.share > policy.soak_drift
    limit = f"limit {figure(100 * policy.soak_drift)} %"
    return Finding(
        "clock", f"the processor's clock {_moves(trend)} from {figure(trend.first)} MHz, {limit}", beyond, trend
    )


def _throttling(soak: SoakReport, policy: PolicyValue) -> Finding | None:
    told = [window for window in soak.windows if window.throttled is not None]
    if not told:
        return None
    found = [window for window in told if window.throttled]
    if not found:
        return Finding("throttling", "it never throttled", False)
    first = lasting(found[0].start_s / HOUR_S)
    text = f"it throttled in {len(found)} of {len(told)} windows, first after {first}"
    return Finding("throttling", text, policy.throttled != "count")


def _temperature(soak: SoakReport) -> Finding | None:
    trend = trend_of([_points(soak.windows, lambda window: window.temperature_c)])
    if trend is None:
        return None
    how = "rises" if trend.change >= 0 else "falls"
    sure = "surely" if trend.rises or trend.falls else "perhaps by chance"
    hottest = max(window.temperature_c for window in soak.windows if window.temperature_c is not None)
    text = f"temperature {how} by {figure(abs(trend.change))} °C ({sure}), hottest {figure(hottest)} °C"
    return Finding("temperature", text, False, trend)


def _errors(soak: SoakReport, policy: PolicyValue) -> Finding:
    trend = trend_of([_points(soak.windows, lambda window: window.errors / max(1, window.count + window.errors))])
    recovered = [window.recovered_s for window in soak.windows if window.recovered_s is not None]
    back = [outage.seconds for outage in soak.outages if outage.seconds is not None]
    made = soak.count + soak.errors
    faults = [segment.fault for segment in soak.segments if segment.fault is not None]
    text = f"{soak.errors:,} of {made:,} calls failed" if soak.errors else "no call failed"
    if faults:
        text += f", {len(faults)} process{'es' * (len(faults) > 1)} ended ({faults[0]})"
    if soak.errors and trend is not None and trend.rises:
        text += ", ever more"
    if recovered:
        text += f", the longest row of errors was over after {figure(max(recovered))} s"
    if soak.outages:
        text += f"; the device was lost {len(soak.outages)} times"
        text += f" and back after {lasting(max(back) / HOUR_S)} at most" if back else " and did not come back"
    return Finding("errors", text, soak.errors > policy.soak_errors * made or bool(faults), trend)
