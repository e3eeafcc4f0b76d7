"""A comparison of two runs as a page: what is unlike first, then the verdicts that changed, then every candidate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from edgeproof.report.columns import Field, Notes, named, table_of
from edgeproof.report.comparison import CandidateChange, Comparison, VerdictChange
from edgeproof.report.content import DEVICE_TITLES, STATUS_TONES, Cell, Column, Table
from edgeproof.report.quantities import written
from edgeproof.verdict.figures import Figure

__all__ = ["ComparisonPage", "page_of"]

INDICATION = 0.1
"""Ratios of medians of two runs within a tenth of 1 are not marked: they were not measured interleaved."""
CAPTION = "Every candidate, before → after. Green is better, red is worse; what did not change is not marked."


@dataclass(frozen=True)
class ComparisonPage:
    """The parts in reading order."""

    before: str
    after: str
    unlike: tuple[str, ...]
    verdicts: tuple[tuple[str, VerdictChange], ...]
    """With what the device class is called."""
    table: Table
    changed: int
    """How many candidates differ in anything that is marked."""
    note: str


def page_of(comparison: Comparison) -> ComparisonPage:
    """The page's parts.

    Args:
        comparison: what changed.
    """
    table = table_of("compared", CAPTION, _fields(comparison.figures), comparison.candidates)
    titles = {str(device): title for device, title in DEVICE_TITLES.items()}
    return ComparisonPage(
        before=comparison.before,
        after=comparison.after,
        unlike=comparison.unlike,
        verdicts=tuple((titles.get(found.device_class, found.device_class), found) for found in comparison.verdicts),
        table=table,
        changed=sum(any(cell.tone in ("good", "bad", "open") for cell in row) for row in table.rows),
        note=comparison.note,
    )


def _status(change: CandidateChange, _: Notes) -> Cell:
    before, after = change.status_before or "absent", change.status_after or "absent"
    if before == after:
        return Cell(after)
    tones = {str(status): tone for status, tone in STATUS_TONES.items()}
    return Cell(f"{before} → {after}", tone=tones.get(after, "open"))


def _figure(figure: Figure) -> Field[CandidateChange]:
    show: Callable[[float], str] = partial(written, figure.unit)

    def cell(change: CandidateChange, notes: Notes) -> Cell:
        before, after = (getattr(change, f"{figure.key}_{when}") for when in ("before", "after"))
        if before is None and after is None:
            return notes.absent("neither run has it")
        if None in (change.status_before, change.status_after):
            return Cell(show(after if before is None else before))
        texts = ["not measured" if value is None else show(value) for value in (before, after)]
        if texts[0] == texts[1]:
            return Cell(texts[1], value=after)
        return Cell(" → ".join(texts), value=after, tone=_tone(figure, before, after))

    return Field(Column(figure.title, "%" if figure.unit == "share" else figure.unit, figure.unit), cell)


def _tone(figure: Figure, before: Any, after: Any) -> str:
    """Whether a change is one for the better; nothing where two runs cannot tell."""
    if before is None or after is None:
        return "open"
    if figure.unit == "µs" and before and abs(after / before - 1) <= INDICATION:
        return ""
    return "good" if (after > before) == (figure.better == "higher") else "bad"


def _ratio(change: CandidateChange, notes: Notes) -> Cell:
    ratio = change.median_ratio
    if ratio is None:
        return notes.absent("not measured in both runs")
    return Cell(
        f"{ratio:.2f}", value=ratio, tone="" if abs(ratio - 1) <= INDICATION else "bad" if ratio > 1 else "good"
    )


def _fields(figures: Sequence[Figure]) -> tuple[Field[CandidateChange], ...]:
    return (
        named("Candidate", lambda change: change.candidate),
        Field(Column("Status"), _status),
        *map(_figure, figures),
        Field(Column("Latency", "ratio of medians"), _ratio),
    )
