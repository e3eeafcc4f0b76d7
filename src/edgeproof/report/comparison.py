"""Two evaluations side by side: what changed between two runs of a model, candidate by candidate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from edgeproof.documents.base import Document, Value
from edgeproof.documents.evaluation import CandidateRow
from edgeproof.documents.task import SHARE, MetricSpec
from edgeproof.report.likeness import ComparedRun, unlike
from edgeproof.report.quantities import written
from edgeproof.verdict.figures import Figure, figures_in

__all__ = ["CandidateChange", "Comparison", "VerdictChange", "compare_runs", "comparison_text"]

KEYS = ("relative_l2", "task_score", "bytes", "median_us")
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
    """After minus before: percentage points of a share, else in the metric's unit."""
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
    unlike: tuple[str, ...] = ()
    """What makes the runs differ before anything was measured: model, inputs, samples, policy, host."""
    metric: MetricSpec | None = None
    """Of the later run."""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What is compared, in this order."""
        known = {figure.key: figure for figure in figures_in(self.metric)}
        return tuple(known[key] for key in KEYS)


def compare_runs(first: ComparedRun, second: ComparedRun) -> Comparison:
    """What changed from ``first`` to ``second``, and in what they are not alike.

    Args:
        first: the earlier run.
        second: the later one.
    """
    rows_before = {row.candidate: row for row in first.evaluation.candidates}
    rows_after = {row.candidate: row for row in second.evaluation.candidates}
    names = list(dict.fromkeys([*rows_before, *rows_after]))
    verdicts_after = {verdict.device_class: verdict for verdict in second.evaluation.verdicts}
    return Comparison(
        before=first.name,
        after=second.name,
        note=NOTE,
        unlike=unlike(first, second),
        metric=second.evaluation.metric,
        candidates=tuple(
            change(name, rows_before.get(name), rows_after.get(name), second.evaluation.metric) for name in names
        ),
        verdicts=tuple(
            VerdictChange(
                device_class=verdict.device_class,
                before=verdict.sentence,
                after=later.sentence,
                changed=(verdict.decision, verdict.candidate) != (later.decision, later.candidate),
            )
            for verdict in first.evaluation.verdicts
            if (later := verdicts_after.get(verdict.device_class)) is not None
        ),
    )


def change(
    name: str, before: CandidateRow | None, after: CandidateRow | None, metric: MetricSpec | None = None
) -> CandidateChange:
    values: dict[str, Any] = {
        f"{key}_{when}": getattr(row, key, None)
        for key in ("status", *KEYS)
        for when, row in (("before", before), ("after", after))
    }
    scores = (values["task_score_before"], values["task_score_after"])
    whole = 100 if metric is None or metric.unit == SHARE else 1
    median_before, median_after = values["median_us_before"], values["median_us_after"]
    return CandidateChange(
        candidate=name,
        task_score_change_points=whole * (scores[1] - scores[0]) if None not in scores else None,
        median_ratio=median_after / median_before if median_before and median_after is not None else None,
        **values,
    )


def comparison_text(comparison: Comparison) -> str:
    """The comparison for a terminal: plain columns, units in heads, ``-`` for what was not measured."""
    figures = comparison.figures
    head = ("candidate", "status", *(figure.head for figure in figures), "ratio")
    lines = [head, *(line(found, figures) for found in comparison.candidates)]
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
    first = "".join(f"{sentence}\n" for sentence in comparison.unlike)
    first = f"The runs are not alike.\n{first}\n" if first else ""
    return f"{comparison.before} → {comparison.after}\n\n{first}{table}\n\n{verdicts}\n\n{comparison.note}\n"


def line(found: CandidateChange, figures: Sequence[Figure]) -> tuple[str, ...]:
    """The cells of one candidate: before and after where they differ."""

    def both(key: str, show: Callable[[Any], str], absent: str = "-") -> str:
        values = (getattr(found, f"{key}_before"), getattr(found, f"{key}_after"))
        return " → ".join(dict.fromkeys(absent if value is None else show(value) for value in values))

    return (
        found.candidate,
        both("status", str, "absent"),
        *(both(figure.key, partial(written, figure.unit)) for figure in figures),
        f"{found.median_ratio:.2f}" if found.median_ratio is not None else "-",
    )
