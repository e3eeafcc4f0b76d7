"""Which drawings of things over time a report has, and their words. The drawing itself is in ``over_time_drawings``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from edgeproof.documents.base import plain_name
from edgeproof.documents.soak import SoakReport, SoakWindow
from edgeproof.report import over_time_drawings as drawings
from edgeproof.report.content import Plot, ReportInput
from edgeproof.report.drawings import Styles, styles_of
from edgeproof.report.over_time import Endured, Soaked, soaks_of, sustained_of
from edgeproof.report.over_time_drawings import Line, Strip
from edgeproof.report.plots import finished
from edgeproof.report.quantities import significant
from edgeproof.verdict.cases import cases_of
from edgeproof.verdict.wording import lasting

__all__ = ["draw_over_time"]

MOST_SOAKS = 12
"""That are drawn; the others stand in the table."""
HOUR_S = 3600.0


def draw_over_time(given: ReportInput) -> tuple[Plot, ...]:
    """A drawing of each device's candidates under load, and one of each soak."""
    policy = given.evaluation.policy
    styles = styles_of(given.evaluation.candidates)
    found = sustained_of(cases_of(given.evidence), policy)
    devices = dict.fromkeys(endured.device for endured in found)
    loads = [
        load_plot(device, [endured for endured in found if endured.device == device], styles, policy.latency_ms)
        for device in devices
    ]
    return (*loads, *map(soak_plot, soaks_of(given.evidence, policy)[:MOST_SOAKS]))


def load_plot(device: str, found: Sequence[Endured], styles: Styles, limit_ms: float) -> Plot:
    """Medians of one device's candidates, window by window."""
    lines = [
        Line(
            endured.candidate,
            [(window.start_s, window.median_us / 1000) for window in endured.sustained.windows],
            [(window.start_s, window.median_us / 1000) for window in endured.sustained.windows if window.throttled],
        )
        for endured in found
    ]
    drawing, drawn = drawings.sustained(lines, styles, limit=limit_ms)
    took = lasting(max(endured.sustained.seconds for endured in found) / HOUR_S)
    last = min(found, key=lambda endured: endured.sustained.windows[-1].median_us)
    slowest = max(found, key=lambda endured: endured.sustained.slowed)
    description = (
        f"{len(found)} candidates for {took} on {device}. Fastest at the end: {last.candidate}, "
        f"{significant(last.sustained.windows[-1].median_us / 1000)} ms. Slows down most: {slowest.candidate}, by "
        f"{significant(100 * (slowest.sustained.slowed - 1))} %."
    )
    line = "the dashed line is the policy's limit" if drawn else f"the policy's limit, {limit_ms:g} ms, lies outside"
    caption = f"Medians window by window, back to back; a cross: the device throttled; {line}."
    return finished(f"sustained-{plain_name(device)}", f"Under load on {device}", caption, description, drawing)


def soak_plot(soaked: Soaked) -> Plot:
    """One soak's figures over its time."""
    soak = soaked.soak
    strips = list(_strips(soak))
    drawing = drawings.soak(
        strips, pieces=[segment.start_s for segment in soak.segments[1:]], throttled=list(_throttled(soak))
    )
    decides = soaked.judgement.beyond or soaked.judgement.findings
    description = f"{soaked.judgement.word}: {'; '.join(finding.text for finding in decides)}."
    parts = [
        "a dashed line: another process begins" if len(soak.segments) > 1 else "",
        "shaded: the device throttled" if soak.throttled else "",
    ]
    caption = "; ".join(["Medians of windows", *(part for part in parts if part)]) + "."
    name = f"soak-{plain_name(soak.candidate or '')}-{plain_name(soak.device)}"
    title = f"Soak of {soak.candidate} on {soak.device}, {lasting(soak.seconds / HOUR_S)}"
    return finished(name, title, caption, description, drawing)


def _strips(soak: SoakReport) -> Iterator[Strip]:
    figures: tuple[tuple[str, Callable[[SoakWindow], float | None]], ...] = (
        ("median, µs", lambda window: window.median_us),
        ("memory, MB", lambda window: None if window.resident_bytes is None else window.resident_bytes / 1e6),
        ("°C", lambda window: window.temperature_c),
        ("clock, MHz", lambda window: window.mhz),
        ("errors", lambda window: float(window.errors) if soak.errors else None),
    )
    for title, of in figures:
        points = [(window.start_s, value) for window in soak.windows if (value := of(window)) is not None]
        if points:
            yield Strip(title, points)


def _throttled(soak: SoakReport) -> Iterator[tuple[float, float]]:
    """Stretches of windows, one after the other, in which the device throttled."""
    begin: float | None = None
    for window in soak.windows:
        if window.throttled and begin is None:
            begin = window.start_s
        if not window.throttled and begin is not None:
            yield begin, window.start_s
            begin = None
    if begin is not None:
        yield begin, soak.seconds
