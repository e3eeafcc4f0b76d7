"""Whether a figure goes up or down over time: Theil and Sen's slope, and Mann and Kendall's test.

The slope (Theil 1950; Sen, JASA 63, 1968) is the median of those between all pairs of points, which one jump or a few
odd points do not move; its ends are Sen's, from the variance of Kendall's S with ties. Where figures begin anew with
each process, only pairs within one are taken, and S and its variance are summed over them, as Hirsch and Slack (Water
Resources Research 20, 1984) do over seasons. Points that hang together make both look surer than they are.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

__all__ = ["Point", "Trend", "trend_of"]

Point = tuple[float, float]
"""A time in seconds, and a figure."""

MOST_POINTS = 200
"""More points than these are taken together in blocks, by their medians: a day has thousands."""
SURE_Z = 2.326
"""One-sided, 99 %."""
HOUR_S = 3600.0


@dataclass(frozen=True)
class Trend:
    """How a figure goes, in its own unit.

    Attributes:
        per_hour: Theil and Sen's slope.
        at_least: its lower end at 99 % confidence; None where the points are too few for one.
        at_most: its upper end, likewise.
        p: of Mann and Kendall's test, two-sided: how likely points without a trend go up or down as much.
        span_s: from the first point to the last, times between pieces left out.
        first: the line's value at the first point.
        points: how many there were, after those that were taken together.
    """

    per_hour: float
    at_least: float | None
    at_most: float | None
    p: float
    span_s: float
    first: float
    points: int

    @property
    def change(self) -> float:
        """Of the figure over the span."""
        return self.per_hour * self.span_s / HOUR_S

    @property
    def share(self) -> float:
        """Of that in the figure at first; infinite where it was none."""
        if not self.first:
            return math.copysign(math.inf, self.change) if self.change else 0.0
        return self.change / abs(self.first)

    @property
    def rises(self) -> bool:
        """Whether it goes up, at 99 % confidence."""
        return self.at_least is not None and self.at_least > 0

    @property
    def falls(self) -> bool:
        """Whether it goes down, likewise."""
        return self.at_most is not None and self.at_most < 0


def trend_of(pieces: Sequence[Sequence[Point]]) -> Trend | None:
    """The trend of points in order of time, piece by piece; None where no piece has two of them.

    Args:
        pieces: one, where the figure goes on; else one for each process that it begins anew in.
    """
    known = [list(piece) for piece in pieces if piece]
    total = sum(map(len, known))
    size = math.ceil(total / MOST_POINTS)
    taken = [in_blocks(piece, size) for piece in known]
    slopes = sorted((b - a) / (t - s) for piece in taken for (s, a), (t, b) in combinations(piece, 2) if t > s)
    if not slopes:
        return None
    spread = math.sqrt(sum(kendall_variance([held for _, held in piece]) for piece in taken))
    low = math.floor((len(slopes) - SURE_Z * spread) / 2)
    score = sum((slope > 0) - (slope < 0) for slope in slopes)
    z = (abs(score) - 1) / spread if score and spread else 0.0
    slope = statistics.median(slopes)
    longest = max(taken, key=len)
    begin = longest[0][0]
    return Trend(
        per_hour=HOUR_S * slope,
        at_least=HOUR_S * slopes[low - 1] if low >= 1 else None,
        at_most=HOUR_S * slopes[len(slopes) - low] if low >= 1 else None,
        p=math.erfc(z / math.sqrt(2)),
        span_s=sum(piece[-1][0] - piece[0][0] for piece in taken),
        first=statistics.median(held - slope * (t - begin) for t, held in longest),
        points=sum(map(len, taken)),
    )


def in_blocks(points: list[Point], size: int) -> list[Point]:
    """The points, or medians of blocks of so many."""
    if size <= 1:
        return points
    blocks = [points[start : start + size] for start in range(0, len(points), size)]
    return [(statistics.fmean(t for t, _ in block), statistics.median(held for _, held in block)) for block in blocks]


def kendall_variance(values: Sequence[float]) -> float:
    """Variance of Kendall's S of values without a trend, ties included (Kendall, Rank Correlation Methods)."""

    def part(count: int) -> int:
        return count * (count - 1) * (2 * count + 5)

    return (part(len(values)) - sum(part(count) for count in Counter(values).values())) / 18
