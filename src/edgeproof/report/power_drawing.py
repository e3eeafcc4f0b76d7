"""The drawing of a trace of power: line, band, and the stretches that count. Numbers in, SVG text out."""

from __future__ import annotations

from edgeproof.report.content import PowerSeen
from edgeproof.report.drawings import as_svg, canvas
from edgeproof.report.svg import PALETTE, RULE

__all__ = ["trace"]


def trace(seen: PowerSeen) -> str:
    """Milliwatts over seconds from zero up; the held load and idle time as grounds."""
    with canvas(2.6) as (figure, axes):
        for begin, end in seen.held:
            axes.axvspan(begin, end, color=RULE, alpha=0.75, linewidth=0)
        if seen.idle is not None:
            axes.axvspan(*seen.idle, color=RULE, alpha=0.35, linewidth=0)
        axes.fill_between(seen.seconds, seen.low_mw, seen.high_mw, color=PALETTE[0], alpha=0.25, linewidth=0)
        axes.plot(seen.seconds, seen.mean_mw, color=PALETTE[0], linewidth=1.2)
        axes.set_ylim(bottom=min(0.0, *seen.low_mw))
        axes.set_xlim(seen.seconds[0], max(seen.seconds[-1], seen.seconds[0] + 1e-3))
        axes.set_xlabel("seconds")
        axes.set_ylabel("power, mW")
        axes.grid(axis="y", linewidth=0.6)
        axes.set_axisbelow(True)
        return as_svg(figure)
