"""The section "What runs where": what runtimes told of their delegates and fast kernels, and apart from it what is only
predicted for runtimes that are not here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeproof.documents.delegation import DelegatedOperator, Delegation, DelegationDocument, How
from edgeproof.report.columns import Field, Notes, figured, named, table_of, worded
from edgeproof.report.content import Cell, Column, Delegated, DelegatedPart, Table
from edgeproof.report.quantities import percent

__all__ = ["section"]

MOST = 5
"""Operators outside that are shown of one delegate; all stand in the document."""
TITLES: dict[How, str] = {"seen": "Seen in the runtime here", "predicted": "Predicted for runtimes that are not here"}
CAPTIONS: dict[How, str] = {
    "seen": "Operators inside and outside of the delegate or the fast kernels, as the runtime told of itself, profiled "
    "apart from everything that is timed.",
    "predicted": "What follows from the artifacts. Nothing of it was seen on a device, and no time is known.",
}


@dataclass(frozen=True)
class _Row:
    candidate: str
    told: Delegation


@dataclass(frozen=True)
class _Outside:
    candidate: str
    told: Delegation
    operator: DelegatedOperator


def section(document: DelegationDocument | None) -> Delegated | None:
    """What the section says; None where nobody was asked."""
    if document is None or not document.candidates:
        return None
    rows = [_Row(found.candidate, told) for found in document.candidates for told in found.delegations]
    parts = tuple(
        DelegatedPart(TITLES[how], _summary(how, mine), _outside(how, mine))
        for how in ("seen", "predicted")
        if (mine := [row for row in rows if row.told.how == how])
    )
    alike: dict[str, list[str]] = {}
    for found in document.candidates:
        if not found.delegations and found.reason:
            alike.setdefault(found.reason, []).append(found.candidate)
    degraded = tuple(f"{row.candidate} is degraded: {row.told.degraded}." for row in rows if row.told.degraded)
    words = tuple(f"{', '.join(names)}: {reason}." for reason, names in alike.items())
    return Delegated(degraded, parts, words)


def _summary(how: How, rows: list[_Row]) -> Table:
    times: tuple[Field[_Row], ...] = (
        figured(
            "Time inside", "%", lambda row: row.told.time_inside, percent, lambda row: row.told.no_time or "no time"
        ),
    )
    fields: tuple[Field[_Row], ...] = (
        named("Candidate", lambda row: row.candidate),
        Field(Column("Delegate or fast kernels"), _delegate),
        worded("Inside", lambda row: str(row.told.inside), unit="operators"),
        worded("Outside", lambda row: str(row.told.outside), unit="operators"),
        worded("Partitions", lambda row: str(row.told.partitions), unit="count"),
        *(times if how == "seen" else ()),
    )
    return table_of(f"delegation-{how}", CAPTIONS[how], fields, rows)


def _delegate(row: _Row, notes: Notes) -> Cell:
    if row.told.degraded:
        return Cell(f"{row.told.delegate}: degraded", note=notes.number(row.told.degraded), tone="bad")
    said = " ".join(text if text.endswith(".") else f"{text}." for text in row.told.notes)
    return Cell(row.told.delegate, note=notes.number(said) if said else None)


def _outside(how: How, rows: list[_Row]) -> Table | None:
    """The operators outside, with what is known to bring them inside; None where there are none."""
    found = [operator for row in rows for operator in _operators(row)]
    if not found:
        return None
    share: Field[_Outside] = figured(
        "Time",
        "%",
        lambda told: told.operator.time_share,
        percent,
        lambda told: told.told.no_time or "no time was taken",
    )
    times: tuple[Field[_Outside], ...] = (share,) if how == "seen" else ()
    fields: tuple[Field[_Outside], ...] = (
        named("Candidate", lambda told: told.candidate),
        worded("Outside of", lambda told: told.told.delegate),
        worded("Operator", _name),
        worded("Count", lambda told: str(told.operator.count), unit="operators"),
        *times,
        worded("Why", lambda told: told.operator.cause or ""),
        worded("Cheapest remedy", lambda told: told.operator.remedy or "none is known"),
    )
    caption = f"Operators outside, of each delegate the {MOST} that take or are most."
    return table_of(f"delegation-{how}-outside", caption, fields, found)


def _operators(row: _Row) -> Iterator[_Outside]:
    outside = [operator for operator in row.told.operators if not operator.inside]
    return (_Outside(row.candidate, row.told, operator) for operator in outside[:MOST])


def _name(told: _Outside) -> str:
    """The runtime's name, PyTorch's where it is another, and the lines."""
    operator = told.operator
    name = operator.name if operator.operator in (None, operator.name) else f"{operator.name} ({operator.operator})"
    return f"{name} at {', '.join(operator.lines)}" if operator.lines else name
