"""The table of what candidates do on other processors: a row a candidate, a column a processor."""

from __future__ import annotations

from edgeproof.documents.validation import Agreement, OnProcessor, ValidationDocument, ValidationResult
from edgeproof.report.columns import Field, Notes, named, table_of
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.quantities import difference
from edgeproof.verdict.figures import told

__all__ = ["table"]

TONES: dict[Agreement, str] = {
    "same bits": "good",
    "within tolerance": "good",
    "wrong": "bad",
    "does not run": "bad",
    "not run": "absent",
}
CAPTION = (
    "The same artifacts on other processors, by emulation of these bit for bit, and never at their speed: whether "
    "outputs pass there, with their relative L2 against the eager model, and whether they have this machine's bits."
)


def table(validation: ValidationDocument | None) -> Table | None:
    """All candidates that were run elsewhere, on all processors; None where none was."""
    found = [result for result in validation.results if result.processors] if validation is not None else []
    names = dict.fromkeys(there.processor for result in found for there in result.processors)
    if not names:
        return None
    fields: tuple[Field[ValidationResult], ...] = (named("Candidate", told("candidate")), *map(_on, names))
    return table_of("processors", CAPTION, fields, found)


def _on(name: str) -> Field[ValidationResult]:
    def cell(result: ValidationResult, notes: Notes) -> Cell:
        there = next((found for found in result.processors if found.processor == name), None)
        return _cell(there, notes) if there is not None else notes.absent("it was not asked for")

    return Field(Column(name), cell)


def _cell(there: OnProcessor, notes: Notes) -> Cell:
    text: str = there.agreement
    if there.agreement in ("within tolerance", "wrong") and there.differences is not None:
        distance = there.differences.relative_l2
        text += "" if distance is None else f", {difference(distance)}"
    why = "; ".join(part for part in (there.reason, there.remedy) if part)
    note = notes.number(f"{_where(there)}{why}") if why else None
    return Cell(text, note=note, tone=TONES[there.agreement])


def _where(there: OnProcessor) -> str:
    """Where a reason holds, for one that a reader should not take for another processor's."""
    return f"{there.processor}: " if there.speaks_against else ""
