"""A candidate under load for minutes: what it does first, and what it does at the end."""

from __future__ import annotations

from edgeproof.documents.base import Value
from edgeproof.documents.soak import SoakWindow

__all__ = ["Sustained"]


class Sustained(Value, frozen=True, kw_only=True):
    """One candidate called back to back in one process, from the temperature that the others began at."""

    seconds: float
    window_seconds: float
    windows: tuple[SoakWindow, ...]
    begin_unix_ns: int
    """On the clock of the device."""
    end_unix_ns: int
    start_temperature_c: float | None = None
    """Before its runtime was loaded; None where the device does not tell."""
    waited_s: float = 0.0
    """For the device to cool down before."""
    cool: bool | None = None
    """Whether it began within the band of the first candidate's temperature; None where the device does not tell."""
    rank_first: int | None = None
    """Among those that were measured with it, by the first window's median; 1 is the fastest."""
    rank_last: int | None = None
    """By the last window's."""
    ranked: int = 0
    """How many were measured with it."""

    @property
    def slowed(self) -> float:
        """Last window's median over the first's."""
        first = self.windows[0].median_us
        return self.windows[-1].median_us / first if first else 1.0

    @property
    def throttled(self) -> bool | None:
        """Whether any window was; None where the device does not tell."""
        told = [window.throttled for window in self.windows if window.throttled is not None]
        return any(told) if told else None
