"""``phase4_soak/<candidate>.json``: one artifact run for long, in windows; in pieces where it was stopped or lost."""

from __future__ import annotations

from typing import ClassVar

from edgeproof.documents.base import Document, Value, plain_name
from edgeproof.documents.device_class import DeviceClass
from edgeproof.documents.environment import Machine

__all__ = ["Outage", "SoakReport", "SoakSegment", "SoakWindow"]


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
    cpu_percent: float | None = None
    """Processor time of the process over the window, percent of one core."""
    segment: int = 0
    """Number of the process that it was in: memory goes on within one alone."""


class SoakSegment(Value, frozen=True, kw_only=True):
    """One process of a soak: memory and errors go on within one alone."""

    number: int
    start_s: float
    """In the soak's own time."""
    begin_unix_ns: int
    """On the clock of the device."""
    seconds: float = 0.0
    calls: int = 0
    fault: str | None = None
    """Why it ended early, where it did so by itself: a crash, a hang, no answers any more."""


class Outage(Value, frozen=True, kw_only=True):
    """A time in which there was nothing to soak with: the link to the device was lost, or its process died."""

    start_s: float
    """In the soak's own time, which stands still meanwhile."""
    reason: str
    seconds: float | None = None
    """Until the next process of it ran; None where it did not come back."""
    lost_s: float = 0.0
    """Of soaking that is not known of: the part of a process that was not told yet."""


class SoakReport(Document, frozen=True, kw_only=True):
    """What a soak saw."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.soak", 1)
    FILE: ClassVar[str] = "phase4_soak"
    """The folder in a run; one file a candidate, and one beside it for each further device."""
    PARTIAL: ClassVar[str] = "phase4_soak/partial"
    """The folder of those that are not over."""

    artifact: str
    device: str
    machine: Machine
    seconds: float
    """Of soaking, all pieces together."""
    window_seconds: float
    count: int
    windows: tuple[SoakWindow, ...]
    drift: float
    """Last window's median over the first's, minus one: 0.1 is ten percent slower at the end."""
    resident_growth_bytes: int | None
    """Last window's resident memory minus that of the first of the same process."""
    throttled: bool | None
    not_measured: dict[str, str]
    candidate: str | None = None
    """Of the run that it stands in; None outside of one."""
    sha256: str | None = None
    """Of the artifact, as its document told it; None where it has none."""
    device_class: DeviceClass = "host"
    asked_seconds: float | None = None
    """How long it was to be."""
    partial: bool = False
    """Whether it ended before its time, or is still at work: ``--resume`` goes on with it."""
    segments: tuple[SoakSegment, ...] = ()
    outages: tuple[Outage, ...] = ()
    errors: int = 0
    """Calls that gave none but an error, and processes that died."""
    source: str | None = None
    """Where the artifact lies, to go on with it; None in a run."""
    threads: int = 1
    samples: str | None = None
    """Where the inputs were from; None: seeded random ones."""

    def path_in_run(self) -> str:
        return self.path_of(self.candidate or self.device, self.device)

    @classmethod
    def partial_of(cls, candidate: str, device: str) -> str:
        """The same, while it is not over."""
        return f"{cls.PARTIAL}/{cls.path_of(candidate, device).rpartition('/')[2]}"

    @classmethod
    def path_of(cls, candidate: str, device: str) -> str:
        """The soak of a candidate on the device of that address, in the run folder."""
        where = "" if device == "host" else f"-{plain_name(device)}"
        return f"{cls.FILE}/{plain_name(candidate)}{where}.json"
