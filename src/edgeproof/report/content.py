"""What a report says, before it is Markdown or HTML: sections as plain values, every figure already text.

``ReportInput`` is the door; ``edgeproof.report.compose`` puts the parts together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgeproof.documents.activity import ActivityDocument
from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import (
    CandidateRow,
    CandidateStatus,
    Decision,
    EvaluationDocument,
    Evidence,
    Verdict,
)

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "Activity",
    "Cell",
    "Column",
    "Delegated",
    "DelegatedPart",
    "Detail",
    "Fact",
    "Plot",
    "Report",
    "ReportInput",
    "Table",
]

DEVICE_TITLES: dict[DeviceClass, str] = {
    "host": "Host",
    "raspberry-pi": "Raspberry Pi",
    "android": "Android",
    "iphone": "iPhone",
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
class ReportInput:
    """Everything a report is made of.

    Attributes:
        evidence: the run's documents.
        evaluation: the policy held against them.
        policy_toml: the policy as TOML.
        latencies: per candidate, the host's raw steady-state latencies in µs.
        activity: what was counted in a spiking network; it is no evidence, and no verdict knows it.
        raster: spikes of one sample by neurons, bool ``[time steps, neurons]``.
    """

    evidence: Evidence
    evaluation: EvaluationDocument
    policy_toml: str
    latencies: Mapping[str, Sequence[float]] = field(default_factory=dict)
    activity: ActivityDocument | None = None
    raster: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One cell. ``note`` is the number of the footnote that says why a figure is missing."""

    text: str
    note: int | None = None
    tone: str = ""
    """``name``, ``good``, ``bad``, ``open``, ``absent``, or nothing."""


@dataclass(frozen=True)
class Column:
    """A column's head. Only words have no unit."""

    title: str
    unit: str | None = None

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
class Report:
    """The parts in reading order."""

    model: str
    summary: tuple[Fact, ...]
    verdicts: tuple[Verdict, ...]
    candidates: Table
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
