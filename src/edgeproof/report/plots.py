"""Which drawings a report has, and the words that go with them. The drawing itself is in ``drawings``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeproof.documents.base import plain_name
from edgeproof.documents.evaluation import CandidateRow
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.task import SHARE, MetricSpec
from edgeproof.report import drawings, power_drawing, svg
from edgeproof.report.content import Plot, PowerSeen, ReportInput
from edgeproof.report.quantities import difference, significant
from edgeproof.verdict.figures import OUTPUTS, figures_in

__all__ = ["draw"]


@dataclass(frozen=True)
class Axis:
    """A figure that candidates are drawn against: the plot's name, the figure's key, and how it is labelled."""

    name: str
    key: str
    label: str
    unit: str
    per_unit: float


AXES = (
    Axis("size", "bytes", "size", "kB", 1e3),
    Axis("speed", "median_us", "median latency on the host", "ms", 1e3),
)


def draw(given: ReportInput) -> tuple[Plot, ...]:
    """Every drawing that the evidence allows; one without data is left out."""
    rows, policy = given.evaluation.candidates, given.evaluation.policy
    styles = drawings.styles_of(rows)
    found = (
        latency_plot(given.latencies, styles, policy),
        *(against(rows, styles, axis, given.evaluation.metric) for axis in AXES),
        tolerance_plot(rows, styles),
        *(power_plot(seen) for seen in given.power),
    )
    return tuple(plot for plot in found if plot is not None)


def latency_plot(latencies: Mapping[str, Sequence[float]], styles: drawings.Styles, policy: PolicyValue) -> Plot | None:
    """The spread of every candidate's steady-state latency."""
    values = {name: [us / 1000 for us in raw if math.isfinite(us) and us > 0] for name, raw in latencies.items()}
    values = {name: found for name, found in values.items() if found}
    if not values:
        return None
    drawing, limit_drawn = drawings.spread(values, styles, limit=policy.latency_ms)
    counts = sorted({len(found) for found in values.values()})
    count = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    limit = (
        "The dashed line is the policy's limit."
        if limit_drawn
        else f"The policy's limit, {policy.latency_ms:g} ms, lies outside the drawing."
    )
    medians = {name: sorted(found)[len(found) // 2] for name, found in values.items()}
    fastest, slowest = min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__)
    description = (
        f"{len(values)} candidates. Fastest median: {fastest}, {significant(medians[fastest])} ms. "
        f"Slowest: {slowest}, {significant(medians[slowest])} ms."
    )
    caption = (
        f"Steady state after warm-up on the host, {count} measurements each, log scale. Box: middle half; "
        f"thick line: 5 % to 95 %; thin line: smallest to largest; tick: median. {limit}"
    )
    return finished("latency", "Latency per candidate", caption, description, drawing)


def against(
    rows: Sequence[CandidateRow], styles: drawings.Styles, axis: Axis, metric: MetricSpec | None = None
) -> Plot | None:
    """Task score, or difference where there is no score, against size or latency."""
    scored = any(row.task_score is not None for row in rows)
    height = next(
        figure for figure in figures_in(metric, OUTPUTS) if figure.key == ("task_score" if scored else "relative_l2")
    )
    points = [
        (row.candidate, across / axis.per_unit, 100 * up if height.unit == SHARE else up)
        for row in rows
        if (across := getattr(row, axis.key)) and across > 0 and (up := getattr(row, height.key)) is not None
    ]
    if not points:
        return None
    score = height.title.lower()
    drawing = drawings.scatter(
        points, styles, x_label=f"{axis.label}, {axis.unit}", y_label=height.head, log_y=not scored
    )
    best = max(points, key=lambda point: point[2] if height.better == "higher" else -point[2])
    shown = f"{best[2]:.1f} %" if height.unit == SHARE else significant(best[2]) if scored else difference(best[2])
    description = f"{len(points)} candidates. Best {score}: {best[0]}, {shown} at {significant(best[1])} {axis.unit}."
    zero = "" if scored or all(point[2] > 0 for point in points) else " Exact results stand at the bottom edge."
    caption = f"Shape and colour tell the format, the filling tells the precision.{zero}"
    title = f"{height.title} against {axis.label.removesuffix(' on the host')}"
    return finished(axis.name, title, caption, description, drawing)


def tolerance_plot(rows: Sequence[CandidateRow], styles: drawings.Styles) -> Plot | None:
    """How far every candidate is from its tolerance."""
    points = [
        (row.candidate, row.smallest_passing_tolerance, row.tolerance, row.status == "passed")
        for row in rows
        if row.smallest_passing_tolerance is not None and row.tolerance is not None
    ]
    if not points:
        return None
    failed = [point[0] for point in points if not point[3]]
    description = f"{len(points) - len(failed)} of {len(points)} candidates passed." + (
        f" Not passed: {', '.join(failed)}." if failed else ""
    )
    caption = (
        "The smallest tolerance that would have passed (mark) and the tolerance that was applied (bar), log scale. "
        "A mark left of its bar is within it; a cross did not pass. Exact results stand at the left edge."
    )
    return finished(
        "tolerance", "Difference against tolerance", caption, description, drawings.tolerances(points, styles)
    )


def power_plot(seen: PowerSeen) -> Plot:
    """A trace of power, with the held load marked."""
    held = sum(end - begin for begin, end in seen.held)
    inside = [mean for at, mean in zip(seen.seconds, seen.mean_mw, strict=True) if in_any(at, seen.held)]
    mean = f", {significant(sum(inside) / len(inside))} mW in them" if inside else ""
    description = f"{seen.candidate} on {seen.device}: {significant(held)} s of held load{mean}; {seen.source}."
    idle = " The lighter ground is the stretch of idle power." if seen.idle is not None else ""
    caption = f"Power over time. Line: mean; band: smallest to largest; dark ground: the load that was held.{idle}"
    name = plain_name(f"power-{seen.device}-{seen.candidate}").replace(".", "-").replace("@", "-")
    title = f"Power of {seen.candidate} on {seen.device}"
    return finished(name, title, caption, description, power_drawing.trace(seen))


def in_any(at: float, stretches: Sequence[tuple[float, float]]) -> bool:
    """Whether a moment lies in one of the stretches."""
    return any(begin <= at <= end for begin, end in stretches)


def finished(name: str, title: str, caption: str, description: str, drawing: str) -> Plot:
    inlined = svg.inline(drawing, name=f"plot-{name}", title=title, description=description)
    return Plot(
        name=name, title=title, caption=caption, description=description, inline=inlined, alone=svg.alone(inlined)
    )
