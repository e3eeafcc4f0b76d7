"""What the app of ``devices.iphone`` tells: one JSON document of a phone, with a runner's report for each candidate."""

from __future__ import annotations

from typing import ClassVar

from edgeproof.documents.base import Document, Value
from edgeproof.documents.runner import RunnerReport

__all__ = ["AppMeasured", "AppOutput", "AppReport", "Phone"]


class Phone(Value, frozen=True, kw_only=True):
    """The phone, as it tells itself."""

    model: str
    """``iPhone15,2``."""
    system: str
    """``iOS 17.4``."""
    cores: int
    memory_bytes: int
    simulator: bool
    """Whether it is Xcode's simulator: outputs, and no times."""


class AppOutput(Value, frozen=True, kw_only=True):
    """One output over all samples."""

    name: str
    shape: tuple[int, ...]
    """Of one sample."""
    data: str
    """float32, little-endian, sample after sample, in base64."""


class AppMeasured(Value, frozen=True, kw_only=True):
    """One candidate in the app."""

    candidate: str
    compute_units: str | None = None
    """Which processors Core ML might use: ``all`` or ``cpu``; None for an engine of ours."""
    report: RunnerReport
    """Its ``artifact`` is the candidate, and memory is the footprint that the system holds an app to."""
    pace_s: float | None = None
    paced_us: tuple[float, ...] = ()
    """Calls that begin ``pace_s`` apart, from their own beginning."""
    outputs: tuple[AppOutput, ...] = ()


class AppReport(Document, frozen=True, kw_only=True):
    """One run of the app."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.app", 1)
    FILE: ClassVar[str] = "edgeproof.json"

    name: str
    """Of the model."""
    phone: Phone
    created_unix_ns: int
    candidates: tuple[AppMeasured, ...]
