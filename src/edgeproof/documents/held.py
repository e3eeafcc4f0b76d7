"""A load that is held for a time, such as for a power meter, and calls at the pace of an app."""

from __future__ import annotations

from edgeproof.documents.base import Value
from edgeproof.documents.latency import Steady
from edgeproof.documents.soak import SoakWindow

__all__ = ["Held", "Paced"]


class Held(Value, frozen=True, kw_only=True):
    """One artifact called back to back in one process, for a stretch that others can see: a meter, a thermometer."""

    seconds: float
    """Of the stretch, by the monotonic clock; the clock of the marks was set meanwhile where they say otherwise."""
    calls: int
    """That gave an answer."""
    begin_unix_ns: int
    """On the clock of the device."""
    end_unix_ns: int
    median_us: float
    """Of the windows' medians."""
    mean_us: float
    """Of all calls."""
    busy_share: float
    """Time inside of calls over that of the stretch; the rest is the loop's, and the sensors'."""
    cpu_percent: float | None = None
    """Processor time of the process over the stretch, percent of one core."""
    windows: tuple[SoakWindow, ...] = ()
    errors: int = 0


class Paced(Value, frozen=True, kw_only=True):
    """The steady state of calls that begin a pace apart, with rest between them: an app calls now and then.

    A latency counts from its call's own beginning.
    """

    pace_s: float
    """Seconds between the beginnings of two calls."""
    steady: Steady | None = None
    """None where it was not measured."""
    reason: str | None = None
    """Why it was not measured."""
