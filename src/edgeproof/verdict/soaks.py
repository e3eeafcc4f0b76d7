"""A soak of a candidate, held against the policy: whether it lasted, and whether resident memory grew meanwhile.

The trend is Theil and Sen's (Theil 1950; Sen, JASA 63, 1968): the median of the slopes between all pairs of windows,
which one jump or a few odd windows do not move. Its lower end is Sen's, from the variance of Kendall's S with ties.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from msgspec.structs import replace

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import PolicyPoint
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.soak import SoakReport, SoakWindow
from edgeproof.verdict.cases import Case
from edgeproof.verdict.wording import TITLES, figure, lasting

__all__ = ["MemoryTrend", "memory_trend", "soak_points"]

WARMING = 0.1
"""Share of the soak whose windows are left out: caches and pools fill."""
MOST_POINTS = 200
"""More windows than these are taken together in blocks, by their medians: a day has thousands."""
SURE_Z = 2.326
"""One-sided, 99 %."""
ALLOWED_SHARE, ALLOWED_BYTES = 0.1, 10e6
"""Growth over the hours asked for that is no leak: the larger of these, the share of what was resident at first."""
SETTLED_S = 600.0
"""A trend over less may be a cache that fills, unless the growth itself is beyond what is allowed."""
HOUR_S = 3600.0


@dataclass(frozen=True)
class MemoryTrend:
    """Resident memory over the windows after the first tenth.

    Attributes:
        bytes_per_hour: Theil and Sen's slope.
        at_least: its lower end at 99 % confidence; None where the windows are too few for one.
        span_s: from the first of the windows to the last.
        first_bytes: resident in the first of them.
    """

    bytes_per_hour: float
    at_least: float | None
    span_s: float
    first_bytes: float

    @property
    def words(self) -> str:
        """The slope, in 10⁶ bytes per hour."""
        how = "grows" if self.bytes_per_hour >= 0 else "shrinks"
        return f"resident memory {how} by {figure(abs(self.bytes_per_hour) / 1e6)} MB per hour"

    @property
    def settled(self) -> bool:
        """Whether it is of long enough to be no cache that fills."""
        return self.span_s >= SETTLED_S

    def allowed(self) -> float:
        """Bytes by which it may grow over the hours asked for."""
        return max(ALLOWED_SHARE * self.first_bytes, ALLOWED_BYTES)


def memory_trend(windows: Sequence[SoakWindow]) -> MemoryTrend | None:
    """How resident memory goes; None where the system does not tell it, or fewer than two windows are left."""
    if not windows:
        return None
    begins = WARMING * windows[-1].start_s
    known = [
        (window.start_s, float(window.resident_bytes))
        for window in windows
        if window.resident_bytes is not None and window.start_s >= begins
    ]
    points = in_blocks(known)
    slopes = sorted((b - a) / (t - s) for (s, a), (t, b) in combinations(points, 2) if t > s)
    if not slopes:
        return None
    low = math.floor((len(slopes) - SURE_Z * math.sqrt(kendall_variance([held for _, held in points]))) / 2)
    return MemoryTrend(
        bytes_per_hour=HOUR_S * statistics.median(slopes),
        at_least=HOUR_S * slopes[low - 1] if low >= 1 else None,
        span_s=points[-1][0] - points[0][0],
        first_bytes=points[0][1],
    )


def in_blocks(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points, or medians of as many blocks of them as are taken."""
    size = math.ceil(len(points) / MOST_POINTS)
    if size <= 1:
        return points
    blocks = [points[start : start + size] for start in range(0, len(points), size)]
    return [(statistics.fmean(t for t, _ in block), statistics.median(held for _, held in block)) for block in blocks]


def kendall_variance(values: Sequence[float]) -> float:
    """Variance of Kendall's S of values without a trend, ties included (Kendall, Rank Correlation Methods)."""

    def part(count: int) -> int:
        return count * (count - 1) * (2 * count + 5)

    return (part(len(values)) - sum(part(count) for count in Counter(values).values())) / 18


def soak_points(case: Case, policy: PolicyValue, device_class: DeviceClass) -> list[PolicyPoint]:
    """Whether the candidate ran as long as asked, and resident memory did not grow.

    Only a soak on this host of the very artifact counts, and only for this host. A shorter one can miss the policy and
    cannot meet it.
    """
    hours = policy.soak_hours
    if hours is None:
        return []
    point = PolicyPoint(
        name="soak",
        state="not measured",
        text=f"a soak of {hours:g} h on {TITLES[device_class]} not measured",
        limit=hours,
    )
    soak = soak_of(case) if device_class == "host" else None
    if soak is None:
        return [point]
    return [judged(point, soak, hours)]


def judged(point: PolicyPoint, soak: SoakReport, hours: float) -> PolicyPoint:
    """The point, as one soak decides it."""
    trend = memory_trend(soak.windows)
    ran = soak.seconds / HOUR_S
    if trend is None:
        text = f"soaked {lasting(ran)}, and resident memory could not be read"
        return replace(point, text=text)
    long_enough = soak.seconds + soak.window_seconds >= HOUR_S * hours
    grown, allowed = trend.bytes_per_hour * hours, trend.allowed()
    within = f"{figure(max(grown, 0) / 1e6)} MB in {hours:g} h, limit {figure(allowed / 1e6)} MB"
    settled = trend.settled or trend.bytes_per_hour * trend.span_s / HOUR_S > allowed
    sure = trend.at_least is not None and trend.at_least * hours > allowed
    if (long_enough and grown > allowed) or (settled and sure):
        return replace(point, state="not met", text=f"{trend.words} over {lasting(ran)}: {within}")
    if not long_enough:
        lacking = lasting(hours - ran)
        so_far = f"so far {trend.words}" if trend.settled else f"less than {lasting(SETTLED_S / HOUR_S)} tell no trend"
        text = f"soaked {lasting(ran)} of {hours:g} h, {lacking} too short; {so_far}"
        return replace(point, state="unsupported", text=text, value=ran)
    return replace(point, state="met", text=f"soaked {lasting(ran)}: {trend.words}, {within}", value=ran)


def soak_of(case: Case) -> SoakReport | None:
    """The soak of the candidate's artifact as it is now."""
    sha256 = case.conversion.sha256 if case.conversion is not None else None
    for soak in case.evidence.soaks:
        if soak.candidate == case.candidate and soak.device == "host" and soak.sha256 == sha256:
            return soak
    return None
