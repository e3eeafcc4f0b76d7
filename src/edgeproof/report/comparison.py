"""Two evaluations side by side: what changed between two runs of a model, candidate by candidate."""

from __future__ import annotations

from typing import ClassVar

from edgeproof.documents.base import Document, Value
from edgeproof.documents.evaluation import CandidateRow, EvaluationDocument
from edgeproof.report.quantities import difference, percent, significant

__all__ = ["CandidateChange", "Comparison", "VerdictChange", "compare_runs", "comparison_text"]

NOTE = (
    "The two runs were made at different times and their latencies were not measured interleaved: on a machine that "
    "others share, a ratio of medians is an indication and no proof. For a proof, measure both in one run."
)


class CandidateChange(Value, frozen=True, kw_only=True):
    """One candidate before and after; None where a run did not measure it or does not have it."""

    candidate: str
    status_before: str | None
    status_after: str | None
    relative_l2_before: float | None
    relative_l2_after: float | None
    task_score_before: float | None
    task_score_after: float | None
    task_score_change_points: float | None
    """After minus before, in percentage points."""
    bytes_before: int | None
    bytes_after: int | None
    median_us_before: float | None
    median_us_after: float | None
    median_ratio: float | None
    """After over before; an indication, see ``note``."""


class VerdictChange(Value, frozen=True, kw_only=True):
    """One device class before and after."""

    device_class: str
    before: str
    after: str
    changed: bool


class Comparison(Document, frozen=True, kw_only=True):
    """``edgeproof compare --json``."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.comparison", 1)

    before: str
    after: str
    note: str
    candidates: tuple[CandidateChange, ...]
    verdicts: tuple[VerdictChange, ...]


def compare_runs(first: EvaluationDocument, second: EvaluationDocument, *, before: str, after: str) -> Comparison:
    """What changed from ``first`` to ``second``.

    Args:
        first: the earlier evaluation.
        second: the later one.
        before: name of the first run.
        after: name of the second run.
    """
    rows_before = {row.candidate: row for row in first.candidates}
    rows_after = {row.candidate: row for row in second.candidates}
    names = list(dict.fromkeys([*rows_before, *rows_after]))
    verdicts_after = {verdict.device_class: verdict for verdict in second.verdicts}
    return Comparison(
        before=before,
        after=after,
        note=NOTE if first.model == second.model else f"These are runs of two models. {NOTE}",
        candidates=tuple(change(name, rows_before.get(name), rows_after.get(name)) for name in names),
        verdicts=tuple(
            VerdictChange(
                device_class=verdict.device_class,
                before=verdict.sentence,
                after=later.sentence,
                changed=(verdict.decision, verdict.candidate) != (later.decision, later.candidate),
            )
            for verdict in first.verdicts
            if (later := verdicts_after.get(verdict.device_class)) is not None
        ),
    )


def change(name: str, before: CandidateRow | None, after: CandidateRow | None) -> CandidateChange:
    score_before = before.task_score if before else None
    score_after = after.task_score if after else None
    median_before = before.median_us if before else None
    median_after = after.median_us if after else None
    return CandidateChange(
        candidate=name,
        status_before=before.status if before else None,
        status_after=after.status if after else None,
        relative_l2_before=before.relative_l2 if before else None,
        relative_l2_after=after.relative_l2 if after else None,
        task_score_before=score_before,
        task_score_after=score_after,
        task_score_change_points=100 * (score_after - score_before)
        if score_before is not None and score_after is not None
        else None,
        bytes_before=before.bytes if before else None,
        bytes_after=after.bytes if after else None,
        median_us_before=median_before,
        median_us_after=median_after,
        median_ratio=median_after / median_before if median_before and median_after is not None else None,
    )


def comparison_text(comparison: Comparison) -> str:
    """The comparison for a terminal: plain columns, units in heads, ``-`` for what was not measured."""
    head = ("candidate", "status", "relative L2", "task score, %", "size, bytes", "median, µs", "ratio")
    lines = [head, *(line(found) for found in comparison.candidates)]
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(head))]
    table = "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in lines
    )
    moved = [
        f"{found.device_class}:\n  before: {found.before}\n  after:  {found.after}"
        for found in comparison.verdicts
        if found.changed
    ]
    verdicts = "\n".join(moved) if moved else "No verdict changed."
    return f"{comparison.before} → {comparison.after}\n\n{table}\n\n{verdicts}\n\n{comparison.note}\n"


def line(found: CandidateChange) -> tuple[str, ...]:
    def both(before: str | None, after: str | None) -> str:
        if before == after:
            return before or "-"
        return f"{before or '-'} → {after or '-'}"

    def shown(value: float | None, how: str) -> str | None:
        if value is None:
            return None
        return {"difference": difference, "percent": percent, "figure": significant}[how](value)

    return (
        found.candidate,
        both(found.status_before or "absent", found.status_after or "absent"),
        both(shown(found.relative_l2_before, "difference"), shown(found.relative_l2_after, "difference")),
        both(shown(found.task_score_before, "percent"), shown(found.task_score_after, "percent")),
        both(
            f"{found.bytes_before:,}" if found.bytes_before is not None else None,
            f"{found.bytes_after:,}" if found.bytes_after is not None else None,
        ),
        both(shown(found.median_us_before, "figure"), shown(found.median_us_after, "figure")),
        f"{found.median_ratio:.2f}" if found.median_ratio is not None else "-",
    )
