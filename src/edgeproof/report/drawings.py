"""The drawings, in matplotlib: spread of latencies, scatter, tolerances. Numbers and names in, SVG text out.

Colours are Okabe-Ito per format, always together with a marker of its own; precision is the marker's filling.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edgeproof.documents.evaluation import CandidateRow
from edgeproof.report.labels import label
from edgeproof.report.quantities import significant
from edgeproof.report.svg import INK, PALETTE, RULE, SURFACE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Style", "Styles", "front", "scatter", "spread", "styles_of", "tolerances"]

WIDTH = 5.4
"""Inches, 389 SVG units: at this width text stays readable on a phone, where the drawing shrinks a little."""
MARKERS = ("o", "s", "^", "D", "v", "P", "*", "p")
Fill = Literal["full", "left", "none"]
FILLS: dict[str, Fill] = {"fp32": "full", "fp16": "left"}
LONGEST_NAME = 26


@dataclass(frozen=True)
class Style:
    """How a candidate is drawn."""

    format: str
    colour: str
    marker: str
    fill: Fill


Styles = Mapping[str, Style]


def styles_of(rows: Sequence[CandidateRow]) -> Styles:
    """One colour and marker a format, one filling a precision: full fp32, half fp16, hollow below."""
    formats = list(dict.fromkeys(row.format for row in rows))
    return {
        row.candidate: Style(
            format=row.format,
            colour=PALETTE[formats.index(row.format) % len(PALETTE)],
            marker=MARKERS[formats.index(row.format) % len(MARKERS)],
            fill=FILLS.get(row.precision, "full" if "int" not in row.precision else "none"),
        )
        for row in rows
    }


UNKNOWN = Style(format="", colour=INK, marker="o", fill="full")


@contextmanager
def canvas(height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure in sentinel colours, without a frame, text as text."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as NewFigure

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "edgeproof",
        "text.parse_math": False,
        "font.size": 10.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "grid.color": RULE,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(settings):
        figure = NewFigure(figsize=(WIDTH, height), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        yield figure, axes


def as_svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def spread(values: Mapping[str, Sequence[float]], styles: Styles, *, limit: float) -> tuple[str, bool]:
    """Box drawings of milliseconds on a log axis, fastest on top, and the limit as a dashed line.

    Returns:
        The SVG, and whether the limit is in it: one that lies further than 30 times from all values is left out.
    """
    import numpy as np

    order = sorted(values, key=lambda name: float(np.median(values[name])), reverse=True)
    low, high = min(min(found) for found in values.values()), max(max(found) for found in values.values())
    limit_drawn = low / 30 <= limit <= high * 30
    with canvas(0.75 + 0.3 * len(order)) as (figure, axes):
        for place, name in enumerate(order):
            style = styles.get(name, UNKNOWN)
            found = np.asarray(values[name])
            p5, p25, p50, p75, p95 = np.percentile(found, (5, 25, 50, 75, 95))
            axes.plot([found.min(), found.max()], [place, place], color=style.colour, linewidth=0.8)
            axes.plot([p5, p95], [place, place], color=style.colour, linewidth=3, solid_capstyle="butt")
            axes.barh(place, p75 - p25, left=p25, height=0.5, color=style.colour)
            axes.plot([p50, p50], [place - 0.36, place + 0.36], color=INK, linewidth=1.6)
        if limit_drawn:
            axes.axvline(limit, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        names_on(axes, order)
        log_across(axes, "milliseconds per inference, log scale", grid="x")
        plain_ticks(axes.xaxis)
        return as_svg(figure), limit_drawn


def scatter(
    points: Sequence[tuple[str, float, float]], styles: Styles, *, x_label: str, y_label: str, log_y: bool
) -> str:
    """Candidates as marks over a log x axis; with ``log_y``, zeros stand at the bottom edge."""
    smallest = min((up for _, _, up in points if up > 0), default=1e-9)
    with canvas(3.5) as (figure, axes):
        for name, across, up in points:
            mark(axes, across, max(up, smallest / 10) if log_y else up, styles.get(name, UNKNOWN))
        log_across(axes, f"{x_label}, log scale", grid="both")
        if log_y:
            axes.set_yscale("log")
            power_ticks(axes.yaxis)
        else:
            room_around(axes, [up for _, _, up in points])
        plain_ticks(axes.xaxis)
        axes.set_ylabel(y_label)
        legend(figure, [name for name, _, _ in points], styles)
        return as_svg(figure)


def front(points: Sequence[tuple[str, float, float]], styles: Styles, *, members: Sequence[str], y_label: str) -> str:
    """A size over milliseconds, both on log axes: the members of the front named, the others small."""
    with canvas(2.4) as (figure, axes):
        for name, ms, size in points:
            style = styles.get(name, UNKNOWN)
            if name in members:
                mark(axes, ms, size, style)
            else:
                axes.plot(ms, size, linestyle="none", marker=style.marker, markersize=4, color=style.colour, alpha=0.55)
        log_across(axes, "median latency on the host, ms, log scale", grid="both")
        axes.set_yscale("log")
        axes.set_ylabel(f"{y_label}, log scale")
        axes.margins(0.12, 0.15)
        plain_ticks(axes.xaxis)
        plain_ticks(axes.yaxis, decades=2.5)
        named = [(shortened(name), ms, size) for name, ms, size in points if name in members]
        label(figure, axes, named, [point[1:] for point in points])
        return as_svg(figure)


def tolerances(points: Sequence[tuple[str, float, float, bool]], styles: Styles) -> str:
    """Per candidate the smallest passing tolerance as a mark and the applied one as a bar, on a log axis."""
    positive = [value for _, seen, applied, _ in points for value in (seen, applied) if value > 0]
    edge = min(positive, default=1e-9) / 10
    with canvas(0.75 + 0.3 * len(points)) as (figure, axes):
        for place, (name, seen, applied, passed) in enumerate(reversed(points)):
            style = styles.get(name, UNKNOWN)
            at, bar = max(seen, edge), max(applied, edge)
            axes.plot([at, bar], [place, place], color=RULE, linewidth=1.4)
            axes.plot([bar, bar], [place - 0.3, place + 0.3], color=INK, linewidth=2)
            if passed:
                mark(axes, at, place, style)
            else:
                axes.plot(at, place, marker="x", markersize=8, markeredgewidth=2.2, color=INK)
        names_on(axes, [point[0] for point in reversed(points)])
        log_across(axes, "tolerance, log scale", grid="x")
        power_ticks(axes.xaxis)
        return as_svg(figure)


def log_across(axes: Axes, label: str, *, grid: Literal["x", "both"]) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.grid(axis=grid, linewidth=0.6)
    axes.set_axisbelow(True)


def mark(axes: Axes, across: float, up: float, style: Style) -> None:
    axes.plot(
        across,
        up,
        linestyle="none",
        marker=style.marker,
        markersize=8,
        color=style.colour,
        fillstyle=style.fill,
        markerfacecoloralt=SURFACE,
        markeredgewidth=1.5,
        clip_on=False,
        zorder=3,
    )


def legend(figure: Figure, names: Sequence[str], styles: Styles) -> None:
    """Formats by colour and marker, then precisions by filling."""
    from matplotlib.lines import Line2D

    fills: dict[Fill, str] = {"full": "fp32", "left": "fp16", "none": "int8"}
    used = [styles.get(name, UNKNOWN) for name in names]
    entries: dict[str, tuple[str, str, str, Fill]] = {
        style.format: (shortened(style.format), style.marker, style.colour, "full") for style in used
    }
    entries |= {
        f"precision {label}": (label, "o", INK, fill)
        for fill, label in fills.items()
        if any(style.fill == fill for style in used)
    }
    shown = [
        Line2D(
            [], [], linestyle="none", marker=marker, markersize=7, color=colour, label=label, fillstyle=fill,
            markerfacecoloralt=SURFACE,
        )
        for label, marker, colour, fill in entries.values()
    ]  # fmt: skip
    figure.legend(
        handles=shown,
        loc="outside upper left",
        ncols=4,
        frameon=False,
        handletextpad=0.1,
        columnspacing=1.2,
    )


def names_on(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [shortened(name) for name in names])
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def shortened(name: str) -> str:
    """A long name without its middle; a drawing has no room for it."""
    if len(name) <= LONGEST_NAME:
        return name
    half = LONGEST_NAME // 2 - 1
    return f"{name[:half]}…{name[-half:]}"


def room_around(axes: Axes, values: Sequence[float]) -> None:
    low, high = min(values), max(values)
    room = max((high - low) * 0.12, 0.5)
    axes.set_ylim(max(low - room, 0) if low >= 0 else low - room, high + room)


def plain_ticks(axis: Any, *, decades: float = 1.5) -> None:
    """Log ticks as plain numbers: 0.1, 1, 10; with 2 and 5 where the axis spans fewer decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    narrow = low > 0 and math.log10(high / low) < decades
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,), numticks=9))
    axis.set_major_formatter(FuncFormatter(lambda value, _: significant(value, 1)))
    axis.set_minor_formatter(NullFormatter())


def power_ticks(axis: Any) -> None:
    """Log ticks as powers of ten in plain text."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    digits = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    axis.set_major_locator(LogLocator(numticks=7))
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"10{f'{math.log10(value):.0f}'.translate(digits)}" if value > 0 else "0")
    )
    axis.set_minor_formatter(NullFormatter())
