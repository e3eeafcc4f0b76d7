"""When a warm-up is over: when the times of its last windows agree."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

__all__ = ["LEAST", "is_stable"]

WINDOW = 10
"""Calls of one window."""
WINDOWS = 3
LEAST = WINDOW * WINDOWS
"""Calls that a warm-up needs to tell."""
AGREE = 0.05
"""Of the smallest median of the last windows: they differ by no more."""


def is_stable(times: Sequence[float]) -> bool | None:
    """Whether the medians of the last windows of calls agree; None where there are too few calls to tell.

    Args:
        times: of the calls so far, in order and in any unit.
    """
    if len(times) < LEAST:
        return None
    last = times[-LEAST:]
    medians = [statistics.median(last[start : start + WINDOW]) for start in range(0, LEAST, WINDOW)]
    return max(medians) <= (1 + AGREE) * min(medians)
