"""What a report says, before it is Markdown or HTML: sections as plain values, every figure already text.

``ReportInput`` is the door; ``edgeproof.report.compose`` puts the parts together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgeproof.documents.activity import ActivityDocument
from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import (
    CandidateRow,
    CandidateStatus,
    Confidence,
    Decision,
    EvaluationDocument,
    Evidence,
)

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "Activity",
    "Cell",
    "Change",
    "Column",
    "Delegated",
    "DelegatedPart",
    "Detail",
    "Fact",
    "FrontShown",
    "OverTime",
    "Plot",
    "PowerSeen",
    "Report",
    "ReportInput",
    "Said",
    "Shipping",
    "Table",
]

DEVICE_TITLES: dict[DeviceClass, str] = {
    "host": "Host",
    "raspberry-pi": "Raspberry Pi",
    "android": "Android",
    "iphone": "iPhone",
    "linux": "Linux board",
}
DECISIONS: dict[Decision, str] = {
    "sdk": "Own engine",
    "convert": "Convert",
    "eager": "Run in PyTorch",
    "served": "Serve it from nearby",
    "none": "Nothing qualifies",
    "undecided": "Undecided",
}
STATUS_TONES: dict[CandidateStatus, str] = {
    "passed": "good",
    "failed": "bad",
    "error": "bad",
    "not converted": "bad",
    "skipped": "open",
}


@dataclass(frozen=True)
class PowerSeen:
    """A trace of power as it is drawn: thinned out, on the device's clock.

    Attributes:
        candidate: which one ran.
        device: on which device.
        source: what was read, in words.
        seconds: since the trace began, one a bin.
        mean_mw: of each bin.
        low_mw: the smallest of each.
        high_mw: the largest of each.
        held: the stretches of the load, in the same seconds.
        idle: the stretch that idle power is taken of.
    """

    candidate: str
    device: str
    source: str
    seconds: tuple[float, ...]
    mean_mw: tuple[float, ...]
    low_mw: tuple[float, ...]
    high_mw: tuple[float, ...]
    held: tuple[tuple[float, float], ...]
    idle: tuple[float, float] | None = None


@dataclass(frozen=True)
class ReportInput:
    """Everything a report is made of.

    Attributes:
        evidence: the run's documents.
        evaluation: the policy held against them.
        policy_toml: the policy as TOML.
        latencies: per candidate, the host's raw steady-state latencies in µs.
        activity: what was counted in a spiking network; it is no evidence, and no verdict knows it.
        raster: spikes of one sample by neurons, bool ``[time steps, neurons]``.
        power: traces of power, as they are drawn.
    """

    evidence: Evidence
    evaluation: EvaluationDocument
    policy_toml: str
    latencies: Mapping[str, Sequence[float]] = field(default_factory=dict)
    activity: ActivityDocument | None = None
    raster: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    power: tuple[PowerSeen, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One cell. ``note`` is the number of the footnote that says why a figure is missing."""

    text: str
    note: int | None = None
    tone: str = ""
    """``name``, ``good``, ``bad``, ``open``, ``absent``, or nothing."""
    value: float | None = None
    """The figure as it is, in the column's ``raw`` unit; to sort by, and for other programs."""


@dataclass(frozen=True)
class Column:
    """A column's head. Only words have no unit."""

    title: str
    unit: str | None = None
    raw: str | None = None
    """Unit of the cells' values, where they are shown in another one."""

    @property
    def numeric(self) -> bool:
        return self.unit is not None


@dataclass(frozen=True)
class Table:
    """A table with footnotes, numbered from 1."""

    id: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()
    """Columns that have no figure in any row: what they are called, and why."""


@dataclass(frozen=True)
class Said:
    """The verdict of one device class, or of several that share it."""

    devices: tuple[DeviceClass, ...]
    title: str
    decision: Decision
    candidate: str | None
    confidence: Confidence
    sentence: str
    reasons: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """What would change verdicts: a measurement, its effect, and the commands that make it, each with its device."""

    title: str
    measurement: str
    effect: str
    commands: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Fact:
    """A labelled line."""

    label: str
    value: str
    code: bool = False


@dataclass(frozen=True)
class Detail:
    """All that the run knows of one candidate."""

    id: str
    row: CandidateRow
    facts: tuple[Fact, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Plot:
    """A drawing: ``inline`` stands in a page and takes its colours, ``alone`` is a file of its own."""

    name: str
    title: str
    caption: str
    description: str
    inline: str
    alone: str


@dataclass(frozen=True)
class FrontShown:
    """The Pareto front: its members side by side, who is off it and why, and a drawing of all."""

    words: str
    members: Table
    dominated: tuple[Fact, ...]
    not_compared: tuple[Fact, ...]
    plot: Plot | None


@dataclass(frozen=True)
class Shipping:
    """What ships with each candidate, and the libraries that are counted."""

    sums: Table
    libraries: Table
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Activity:
    """What a spiking network does: counted, drawn, and what a table of energies makes of it."""

    words: tuple[str, ...]
    layers: Table | None
    neurons: Table | None
    plots: tuple[Plot, ...]
    energy: Table | None
    energy_words: tuple[str, ...]


@dataclass(frozen=True)
class DelegatedPart:
    """What was seen, or what is predicted: which operators run where, and those outside."""

    title: str
    summary: Table
    outside: Table | None


@dataclass(frozen=True)
class Delegated:
    """What runs where: runtimes that have fallen back, what was seen and predicted, and who has no such question."""

    degraded: tuple[str, ...]
    parts: tuple[DelegatedPart, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class OverTime:
    """What was measured at a pace, under load and for long: tables, what each soak is and why, drawings."""

    tables: tuple[Table, ...]
    words: tuple[str, ...]
    plots: tuple[Plot, ...]


@dataclass(frozen=True)
class Report:
    """The parts in reading order."""

    model: str
    brief: str
    """Model, samples and machine in one line."""
    summary: tuple[Fact, ...]
    verdicts: tuple[Said, ...]
    in_common: tuple[Fact, ...]
    """What holds for device classes whose verdicts differ."""
    changes: tuple[Change, ...]
    front: FrontShown | None
    candidates: Table
    standings: Table | None
    devices: Table | None
    contents: tuple[str, ...]
    """What figures of memory and start contain."""
    shipping: Shipping | None
    processors: Table | None
    served: Table | None
    served_notes: tuple[str, ...]
    plots: tuple[Plot, ...]
    details: tuple[Detail, ...]
    failures: Table | None
    policy_source: str
    policy_toml: str
    reproduce: tuple[Fact, ...]
    versions: tuple[Fact, ...]
    not_measured: tuple[Fact, ...]
    activity: Activity | None = None
    delegation: Delegated | None = None
    batches: Table | None = None
    networks: Table | None = None
    outputs_there: Table | None = None
    power: Table | None = None
    over_time: OverTime | None = None

    @property
    def first_changes(self) -> tuple[Change, ...]:
        """The most telling measurement of every group of device classes."""
        return tuple({change.title: change for change in reversed(self.changes)}.values())[::-1]

    @property
    def more_changes(self) -> tuple[Change, ...]:
        """The others."""
        return tuple(change for change in self.changes if change not in self.first_changes)

    @property
    def drawings(self) -> tuple[Plot, ...]:
        """Every drawing that the report has a file of."""
        front = self.front.plot if self.front is not None else None
        counted = self.activity.plots if self.activity is not None else ()
        lasting = self.over_time.plots if self.over_time is not None else ()
        return (*((front,) if front is not None else ()), *lasting, *self.plots, *counted)

    @property
    def links(self) -> dict[str, str]:
        """Candidate to where the page has its section."""
        return {detail.row.candidate: f"#{detail.id}" for detail in self.details}

    @property
    def counted(self) -> str:
        """How many candidates there are, by how they ended."""
        counts = Counter(detail.row.status for detail in self.details)
        return ", ".join(f"{count} {status}" for status, count in counts.items())

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table, in reading order."""
        first = (self.front.members if self.front is not None else None, self.candidates, self.standings)
        counted = self.activity
        activity = (counted.layers, counted.neurons, counted.energy) if counted is not None else ()
        own = tuple(table for detail in self.details for table in detail.tables)
        ships = (self.shipping.sums, self.shipping.libraries) if self.shipping is not None else ()
        parts = self.delegation.parts if self.delegation is not None else ()
        runs = tuple(table for part in parts for table in (part.summary, part.outside))
        lasting = self.over_time.tables if self.over_time is not None else ()
        measured = (self.devices, self.outputs_there, self.power, *lasting, self.batches, self.processors)
        served = (self.served, self.networks)
        found = (*first, *ships, *runs, *measured, *served, *activity, *own, self.failures)
        return tuple(table for table in found if table is not None)
