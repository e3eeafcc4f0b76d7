"""Tables from columns: what a column is called, its unit, and how a subject's cell is told. Knows no document."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.quantities import significant

__all__ = ["Field", "Notes", "figured", "named", "table_of", "worded"]

NOT_MEASURED = "not measured"
S = TypeVar("S")
Subject = TypeVar("Subject", contravariant=True)


class Notes:
    """Footnotes of one table: each reason once, numbered in order of appearance."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def absent(self, reason: str) -> Cell:
        """A cell for a figure that is missing, with its footnote."""
        return Cell(NOT_MEASURED, note=self.number(reason), tone="absent")

    def number(self, reason: str) -> int:
        """The number of a footnote."""
        if reason not in self.reasons:
            self.reasons.append(reason)
        return self.reasons.index(reason) + 1

    def figure(self, value: float | None, show: Callable[[float], str], reason: str) -> Cell:
        """A figure as text, or the reason why there is none. NaN and Inf are none."""
        if value is None or not math.isfinite(value):
            return self.absent(reason)
        return Cell(show(value), value=value)


@dataclass(frozen=True)
class Field(Generic[Subject]):
    """One column of a table of such subjects."""

    column: Column
    cell: Callable[[Subject, Notes], Cell]
    noted_first: bool = False
    """Its footnote is numbered before those of the columns to its left."""


def named(title: str, of: Callable[[S], str]) -> Field[S]:
    """A column of names."""
    return worded(title, of, tone=lambda _: "name")


def worded(
    title: str, of: Callable[[S], str], *, unit: str | None = None, tone: Callable[[S], str] = lambda _: ""
) -> Field[S]:
    """A column of text that is always there."""
    return Field(Column(title, unit), lambda subject, _: Cell(of(subject), tone=tone(subject)))


def figured(
    title: str,
    unit: str,
    of: Callable[[S], float | None],
    show: Callable[[float], str] = significant,
    absent: str | Callable[[S], str] = "it was not recorded",
    *,
    raw: str | None = None,
    noted_first: bool = False,
) -> Field[S]:
    """A column of figures, and why one is missing; ``raw`` is the unit of ``of`` where ``show`` changes it."""

    def cell(subject: S, notes: Notes) -> Cell:
        return notes.figure(of(subject), show, absent if isinstance(absent, str) else absent(subject))

    return Field(Column(title, unit, raw), cell, noted_first)


def table_of(name: str, caption: str, fields: Sequence[Field[S]], subjects: Iterable[S]) -> Table:
    """A row for each subject. A column without any figure is folded into a line below the table.

    Args:
        name: the table's id.
        caption: what it shows.
        fields: its columns.
        subjects: its rows.
    """
    every = list(subjects)
    folded = {at: reasons for at, field in enumerate(fields) if (reasons := reasons_throughout(field, every))}
    shown = [field for at, field in enumerate(fields) if at not in folded]
    notes, rows = Notes(), []
    by_note = sorted(range(len(shown)), key=lambda at: not shown[at].noted_first)
    for subject in every:
        cells = {at: shown[at].cell(subject, notes) for at in by_note}
        rows.append(tuple(cells[at] for at in range(len(shown))))
    return Table(
        id=name,
        caption=caption,
        columns=tuple(field.column for field in shown),
        rows=tuple(rows),
        notes=tuple(notes.reasons),
        folded=told_once({fields[at].column: reasons for at, reasons in folded.items()}),
    )


def reasons_throughout(field: Field[S], subjects: Sequence[S]) -> tuple[str, ...]:
    """Why a column has a figure in no row; empty where it has one, or is no column of figures."""
    if not field.column.numeric:
        return ()
    notes = Notes()
    cells = [field.cell(subject, notes) for subject in subjects]
    return tuple(notes.reasons) if cells and all(cell.text == NOT_MEASURED for cell in cells) else ()


def told_once(folded: dict[Column, tuple[str, ...]]) -> tuple[str, ...]:
    """A line for each set of reasons: the columns, and the reasons."""
    by_reasons: dict[tuple[str, ...], list[str]] = {}
    for column, reasons in folded.items():
        by_reasons.setdefault(reasons, []).append(f"{column.title} ({column.unit})")
    return tuple(f"{', '.join(titles)}: {'; '.join(reasons)}" for reasons, titles in by_reasons.items())
