"""The drawings of what goes on over time, in matplotlib: candidates under load, and the figures of one soak."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeproof.report.drawings import UNKNOWN, Styles, as_svg, canvas, legend, plain_ticks
from edgeproof.report.svg import INK, PALETTE, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Line", "Strip", "soak", "sustained"]

MOST_POINTS = 300
"""Of one line; more are drawn by the medians of blocks."""
HOUR_S, MINUTE_S = 3600.0, 60.0

Values = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """A candidate under load: seconds and ms; ``throttled`` those of the windows in which the device was."""

    candidate: str
    points: Values
    throttled: Values = ()


@dataclass(frozen=True)
class Strip:
    """One figure of a soak over its seconds, with the name of its axis."""

    title: str
    points: Values


def sustained(lines: Sequence[Line], styles: Styles, *, limit: float) -> tuple[str, bool]:
    """A line a candidate: ms on a log axis over minutes; crosses where the device throttled.

    Returns:
        The SVG, and whether the policy's limit is in it.
    """
    found = [value for line in lines for _, value in line.points]
    drawn = min(found) / 30 <= limit <= max(found) * 30
    with canvas(3.4) as (figure, axes):
        for line in lines:
            style = styles.get(line.candidate, UNKNOWN)
            points = _blocks(line.points)
            axes.plot(
                [seconds / MINUTE_S for seconds, _ in points],
                [value for _, value in points],
                color=style.colour,
                marker=style.marker if len(points) <= 60 else None,
                fillstyle=style.fill,
                markersize=5,
                linewidth=1.2,
            )
            axes.plot(
                [seconds / MINUTE_S for seconds, _ in line.throttled],
                [value for _, value in line.throttled],
                color=INK, marker="x", linestyle="none", markersize=7,
            )  # fmt: skip
        if drawn:
            axes.axhline(limit, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_yscale("log")
        plain_ticks(axes.yaxis)
        axes.grid(axis="y", color=RULE, linewidth=0.6)
        axes.set_xlabel("minutes under load")
        axes.set_ylabel("median, ms, log scale")
        legend(figure, [line.candidate for line in lines], styles)
        return as_svg(figure), drawn


def soak(strips: Sequence[Strip], *, pieces: Sequence[float], throttled: Sequence[tuple[float, float]]) -> str:
    """A strip a figure over one axis of time.

    Args:
        strips: one or more.
        pieces: seconds at which another process began; dashed.
        throttled: seconds from and to which the device throttled; shaded.
    """
    last = max(seconds for strip in strips for seconds, _ in strip.points)
    unit, name = (HOUR_S, "hours") if last >= 2 * HOUR_S else (MINUTE_S, "minutes") if last >= 120 else (1.0, "seconds")
    with canvas(0.7 + 1.25 * len(strips)) as (figure, only):
        only.remove()
        rows: list[Axes] = list(figure.subplots(len(strips), 1, sharex=True, squeeze=False)[:, 0])
        for number, (axes, strip) in enumerate(zip(rows, strips, strict=True)):
            axes.patch.set_alpha(0)
            points = _blocks(strip.points)
            axes.plot(
                [seconds / unit for seconds, _ in points],
                [value for _, value in points],
                color=PALETTE[number % len(PALETTE)],
                linewidth=1.3,
            )
            for seconds in pieces:
                axes.axvline(seconds / unit, color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
            for begin, end in throttled:
                axes.axvspan(begin / unit, end / unit, color=RULE, linewidth=0, zorder=0)
            axes.grid(axis="y", color=RULE, linewidth=0.6)
            axes.set_ylabel(strip.title)
            _room(axes, [value for _, value in points])
        rows[-1].set_xlabel(name)
        figure.align_ylabels(rows)
        return as_svg(figure)


def _room(axes: Any, values: Sequence[float]) -> None:
    """So that noise does not look like a trend: a tenth of the middle value at least."""
    low, high, middle = min(values), max(values), statistics.median(values)
    spread = max(high - low, 0.1 * abs(middle), 1e-9)
    centre = (low + high) / 2
    axes.set_ylim(centre - 0.6 * spread, centre + 0.6 * spread)


def _blocks(points: Values) -> Values:
    size = math.ceil(len(points) / MOST_POINTS)
    if size <= 1:
        return points
    blocks = [points[start : start + size] for start in range(0, len(points), size)]
    return [(statistics.fmean(t for t, _ in block), statistics.median(value for _, value in block)) for block in blocks]
