"""Heat as it is written down: temperature, frequency and throttling, looked at beside a timed stretch."""

from __future__ import annotations

from edgeproof.documents.base import Value

__all__ = ["Heat", "HeatSample"]


class HeatSample(Value, frozen=True, kw_only=True):
    """One look at the sensors; None where the system does not tell."""

    unix_ns: int
    temperature_c: float | None
    """Of the hottest zone."""
    mhz: float | None
    """Of the fastest core that the process may run on, at this moment."""
    throttled: bool | None
    """Whether the machine throttled since the look before."""


class Heat(Value, frozen=True, kw_only=True):
    """What was seen beside a stretch, between its calls and never inside of one, and what the looks cost."""

    every_s: float
    """Seconds between two looks, at least; it grows with a stretch that would give too many."""
    samples: tuple[HeatSample, ...]
    looks: int
    """That were made; fewer of them are kept of a long stretch."""
    cost_us: float
    """Median time of one look."""
    cost_share: float
    """Time of all looks over that of the stretch."""
    throttled: bool | None = None
    """Whether any look saw it; None where the system does not tell."""
    hottest_c: float | None = None
    slowest_mhz: float | None = None
