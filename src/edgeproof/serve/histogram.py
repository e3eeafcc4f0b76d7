"""Times as Prometheus takes them: counts by upper bound, which any number of servers can be added up from."""

from __future__ import annotations

from bisect import bisect_left

__all__ = ["BOUNDS_S", "Histogram"]

BOUNDS_S = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Upper bounds, s."""
TOGETHER = 256
"""Times that are put into their places at once."""
BOUNDS_NS = tuple(round(bound * 1e9) for bound in BOUNDS_S)


class Histogram:
    """Of one quantity."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_NS) + 1)
        self._sum_ns = 0
        self._new: list[int] = []

    def add(self, spent_ns: int) -> None:
        """One more time. It is put into its place later, with others: while a client waits each microsecond counts."""
        self._new.append(spent_ns)
        if len(self._new) >= TOGETHER:
            self._count()

    def mean_s(self) -> float:
        """Seconds, of all; 0 where there is none."""
        self._count()
        return self._sum_ns / 1e9 / max(1, sum(self._counts))

    def _count(self) -> None:
        for spent_ns in self._new:
            self._counts[bisect_left(BOUNDS_NS, spent_ns)] += 1
        self._sum_ns += sum(self._new)
        self._new.clear()

    def lines(self, name: str, label: str) -> list[str]:
        """In the Prometheus text format.

        Args:
            name: of the quantity, without a suffix.
            label: ``model="x"``.
        """
        self._count()
        lines, below = [], 0
        for bound, count in zip((*map(repr, BOUNDS_S), "+Inf"), self._counts, strict=True):
            below += count
            lines.append(f'{name}_bucket{{{label},le="{bound}"}} {below}')
        return [*lines, f"{name}_sum{{{label}}} {self._sum_ns / 1e9:.9f}", f"{name}_count{{{label}}} {below}"]
