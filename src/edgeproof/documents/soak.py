"""``phase4_soak/<candidate>.json``: one session run for long, in windows."""

from __future__ import annotations

from typing import ClassVar

from edgeproof.documents.base import Document, Value, plain_name
from edgeproof.documents.environment import Machine

__all__ = ["SoakReport", "SoakWindow"]


class SoakWindow(Value, frozen=True, kw_only=True):
    """One stretch of the soak."""

    start_s: float
    count: int
    median_us: float
    max_us: float
    temperature_c: float | None
    resident_bytes: int | None
    mean_us: float | None = None
    """Of all its calls."""
    p90_us: float | None = None
    """None where the calls are too few for it, and so are the next two."""
    p95_us: float | None = None
    p99_us: float | None = None
    mhz: float | None = None
    """Median over the window of the fastest core's frequency."""
    throttled: bool | None = None
    """Whether the machine throttled in it; None where it does not tell."""
    errors: int = 0
    """Calls that gave none but an error."""
    recovered_s: float | None = None
    """From the first error to the next answer, of the longest of those that ended in it."""
    segment: int = 0
    """Number of the process that it was in: memory goes on within one alone."""


class SoakReport(Document, frozen=True, kw_only=True):
    """What a soak saw."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.soak", 1)
    FILE: ClassVar[str] = "phase4_soak"
    """The folder in a run; one file a candidate."""

    artifact: str
    device: str
    machine: Machine
    seconds: float
    window_seconds: float
    count: int
    windows: tuple[SoakWindow, ...]
    drift: float
    """Last window's median over the first's, minus one: 0.1 is ten percent slower at the end."""
    resident_growth_bytes: int | None
    """Last window's resident memory minus the first's."""
    throttled: bool | None
    not_measured: dict[str, str]
    candidate: str | None = None
    """Of the run that it stands in; None outside of one."""
    sha256: str | None = None
    """Of that candidate's artifact, as its conversion told it."""

    def path_in_run(self) -> str:
        return f"{self.FILE}/{plain_name(self.candidate or self.device)}.json"
