"""Samples of power over time: how many lie in a stretch, how many are new, and the mean over it by trapezoids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Samples", "Times", "Watts", "mean_power"]

Times = npt.NDArray[np.int64]
Watts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """A trace's samples on the device's clock."""

    unix_ns: Times
    watts: Watts

    def within(self, begin: int, end: int) -> int:
        """How many lie in a stretch."""
        first, last = np.searchsorted(self.unix_ns, [begin, end])
        return int(last - first)

    def changes(self, begin: int, end: int) -> int:
        """How many in a stretch differ from the one before: a fuel gauge tells one value for seconds."""
        first, last = np.searchsorted(self.unix_ns, [begin, end])
        return int(np.count_nonzero(np.diff(self.watts[first:last])))


def mean_power(unix_ns: Times, watts: Watts, begin: int, end: int) -> float:
    """Mean watts over a stretch inside of the samples, by trapezoids; the ends are interpolated."""
    first, last = np.searchsorted(unix_ns, [begin, end])
    seconds = (unix_ns - begin) / 1e9
    length = (end - begin) / 1e9
    ends = np.interp([0.0, length], seconds, watts)
    at = np.concatenate(([0.0], seconds[first:last], [length]))
    values = np.concatenate((ends[:1], watts[first:last], ends[1:]))
    return float(np.trapezoid(values, at)) / length
