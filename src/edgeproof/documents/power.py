"""What a meter recorded (a trace), and what a candidate's call costs in energy by it.

A trace is this document and a file of arrays beside it: ``unix_ns`` (int64, ascending) and ``watts`` (float64), one
value a sample. Its times are of the clock of the machine that recorded; ``clock`` brings them to the device's.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from edgeproof.documents.base import Document, Value, plain_name

__all__ = ["ClockOffset", "Energy", "Fault", "FaultKind", "Gap", "IdleWindow", "PowerTrace"]

NAMED_BY = 12
"""Letters of its sum that a trace's file in a run is called by."""

FaultKind = Literal["stall", "garbage", "clock jump", "counter", "lost samples"]


class ClockOffset(Value, frozen=True):
    """How the recorder's clock stands to the measured device's."""

    offset_ms: float
    """Added to a time of the trace it gives the device's time."""
    within_ms: float
    """How far off that may be, either way."""
    how: str
    """How it is known."""


class Gap(Value, frozen=True):
    """A stretch without a sample, longer than the trace's rate explains."""

    begin_unix_ns: int
    end_unix_ns: int


class Fault(Value, frozen=True):
    """Something that the meter or the clock did wrong, and when."""

    kind: FaultKind
    unix_ns: int
    text: str


class PowerTrace(Document, frozen=True, kw_only=True):
    """Power over time, of one meter."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.power", 1)
    FILE: ClassVar[str] = "phase4_power"
    """The folder in a run; one file a recording and device, the arrays beside it."""

    meter: str
    """As ``edgeproof power list`` names it; ``csv`` for a table that another program wrote."""
    address: str
    """Which one: a port, a path, a file."""
    source: str
    """What was read, in words."""
    omits: str | None = None
    """What of the device's power is not in it."""
    estimate: str | None = None
    """The formula, where it is an estimate and no measurement."""
    count: int
    begin_unix_ns: int
    end_unix_ns: int
    rate_hz: float | None = None
    """Nominal."""
    clock: ClockOffset | None = None
    """None: not known."""
    gaps: tuple[Gap, ...] = ()
    faults: tuple[Fault, ...] = ()
    charging: bool | None = None
    """Whether the battery was being charged at any time; None where there is none, or it is not told."""
    partial: str | None = None
    """Why it ended before its time; None where it did not."""
    notes: tuple[str, ...] = ()
    """What was taken for granted: columns, units, time zone."""
    recorder: str | None = None
    """The machine whose clock it is by: its name."""
    raw: str
    """The file of arrays, beside this one."""
    sha256: str
    """Of that file."""
    device: str | None = None
    """The measured device, once it is joined to one."""

    def path_in_run(self) -> str:
        return f"{self.FILE}/{plain_name(self.device or '')}-{self.sha256[:NAMED_BY]}.json"


class IdleWindow(Value, frozen=True, kw_only=True):
    """The stretch that idle power was taken of. On the device's clock."""

    begin_unix_ns: int
    end_unix_ns: int
    samples: int
    mean_mw: float


class Energy(Value, frozen=True, kw_only=True):
    """Energy of one call, from the power and the calls of the same stretch; or the reason why there is none."""

    gross_mj: float | None = None
    """Millijoules a call: mean power over the stretch, times its length, over its calls. Idle power is in it."""
    low_mj: float | None = None
    high_mj: float | None = None
    """95 % confidence interval of the gross figure."""
    interval: str | None = None
    """How the interval was taken, or why there is none."""
    net_mj: float | None = None
    """Less idle power."""
    no_net: str | None = None
    """Why there is no net figure."""
    idle: IdleWindow | None = None
    mean_mw: float | None = None
    """Mean power over the stretch."""
    mean_low_mw: float | None = None
    mean_high_mw: float | None = None
    calls: int = 0
    seconds: float = 0.0
    samples: int = 0
    stretches: int = 0
    begin_unix_ns: int | None = None
    """Of the first stretch, on the device's clock."""
    end_unix_ns: int | None = None
    """Of the last."""
    meter: str = ""
    source: str = ""
    omits: str | None = None
    estimate: str | None = None
    clock: ClockOffset | None = None
    trace: str | None = None
    """The trace's document, in the run folder."""
    reason: str | None = None
    """Why there is no figure; None where there is one."""
