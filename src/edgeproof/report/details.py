"""One candidate in full: outputs one by one, rewrites with their measured effect, where it stands, what made it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TypeVar

from edgeproof.documents.artifact import Rewrite
from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import CandidateRow, EvaluationDocument, PointState
from edgeproof.documents.signature import Form
from edgeproof.documents.task import SHARE, MetricSpec, SliceScore
from edgeproof.documents.validation import Differences, Variant
from edgeproof.report.classes import named as named_there
from edgeproof.report.classes import unnamed
from edgeproof.report.columns import Field, figured, named, table_of, worded
from edgeproof.report.content import DEVICE_TITLES, Cell, Column, Detail, Fact, Table
from edgeproof.report.quantities import byte_size, difference, percent, significant, written
from edgeproof.verdict.cases import Case
from edgeproof.verdict.figures import FIGURES, Figure, figures_in, told

__all__ = ["detail", "slug"]

S = TypeVar("S")

POINT_TONES: dict[PointState, str] = {"met": "good", "not met": "bad", "unsupported": "open", "not measured": "absent"}
FORMS: dict[Form, str] = {
    "whole": "whole (no time steps of its own)",
    "unrolled": "all time steps in one call",
    "step": "step (one time step with explicit state, driven by a loop)",
}
CAPTIONS = {
    "outputs": "Outputs against the eager model.",
    "variants": "Computed another way; the spread is its distance from the usual way on the same samples.",
    "slices": "By class and slice of the samples: the eager model's score beside the candidate's; what is lost is "
    "above zero, with its 95 % interval.",
    "policy": "Against the policy.",
    "rewrites": "Rewrites of the graph, each held against the graph before it on real samples.",
}
UNDEFINED = "not finite, or not defined for this output"
NO_SPIKES = "this output is not spikes"


def apart(title: str, unit: str, path: str) -> Field[object]:
    return figured(title, unit, told(path), difference, UNDEFINED)


OUTPUTS: tuple[Field[Differences], ...] = (
    named("Output", lambda output: output.name or "worst of all"),
    apart("Largest", "max_abs", "max_abs"),
    apart("L2", "mean over samples", "l2_mean"),
    apart("L2", "largest sample", "l2_max"),
    apart("Relative", "relative L2", "relative_l2"),
    figured("Cosine", "smallest", told("cosine_min"), "{:.6f}".format, UNDEFINED),
    Field(
        Column("SNR", "dB"),
        lambda output, notes: (
            Cell("exact")
            if output.max_abs == 0 and output.snr_db is None
            else notes.figure(output.snr_db, significant, UNDEFINED)
        ),
    ),
    figured("Argmax agreement", "%", told("argmax_agreement"), percent, UNDEFINED, raw="share"),
)
SPIKES: tuple[Field[Differences], ...] = (
    figured("Equal spike counts", "%", told("spikes.agreement"), percent, NO_SPIKES, raw="share", noted_first=True),
    figured(
        "Spike count error", "mean, spikes", told("spikes.count_mean_abs"), difference, NO_SPIKES, noted_first=True
    ),
)
VARIANTS: tuple[Field[Variant], ...] = (
    named("Computed", told("name")),
    worded("Samples", lambda variant: f"{variant.samples:,}"),
    apart("Largest", "max_abs, against eager", "differences.max_abs"),
    apart("Relative", "relative L2, against eager", "differences.relative_l2"),
    apart("Largest", "max_abs, spread", "spread.max_abs"),
    apart("Relative", "relative L2, spread", "spread.relative_l2"),
)


FAILED = "why stands under Failures"
POINTS: tuple[Field[tuple[tuple[PointState, str], list[str]]], ...] = (
    worded("What was seen", lambda seen: seen[0][1]),
    worded("Policy", lambda seen: seen[0][0], tone=lambda seen: POINT_TONES[seen[0][0]]),
    worded("Device", lambda seen: ", ".join(seen[1])),
)
REWRITES: tuple[Field[Rewrite], ...] = (
    named("Rewrite", told("name")),
    worded("Why", told("why")),
    figured("Measured effect", "max_abs", told("max_abs"), difference, "it changes only how the model is called"),
)


def detail(row: CandidateRow, case: Case, evaluation: EvaluationDocument) -> Detail:
    """All that the run knows of the row's candidate."""
    name, conversion, validation = slug(row.candidate), case.conversion, case.validation
    variants = validation.variants if validation is not None else ()
    computed = [variant for variant in variants if variant.differences is not None]
    rewrites = conversion.rewrites if conversion is not None else ()
    outputs = (*OUTPUTS, *SPIKES) if any(output.spikes is not None for output in case.outputs) else OUTPUTS

    def table(kind: str, fields: Sequence[Field[S]], subjects: Iterable[S]) -> Table:
        return table_of(f"{name}-{kind}", CAPTIONS[kind], fields, subjects)

    tables = (
        table("outputs", outputs, case.outputs),
        table("variants", VARIANTS, computed),
        table("slices", slices(evaluation.metric), validation.slices if validation is not None else ()),
        table("policy", POINTS, points_seen(row, evaluation).items()),
        table("rewrites", REWRITES, rewrites),
    )
    said = case.evidence.samples.signature.notes if case.evidence.samples is not None else ()
    warnings = [*(validation.warnings if validation is not None else ()), *(variant.warning for variant in variants)]
    return Detail(
        id=f"candidate-{name}",
        row=row,
        facts=facts(row, case),
        tables=tuple(table for table in tables if table.rows),
        notes=(
            *(f"Warning: {text}" for text in warnings if text),
            *(note for note in (conversion.notes if conversion is not None else ()) if note not in said),
            *(f"Checked: {check}" for check in (validation.structure if validation is not None else ())),
        ),
    )


def slices(metric: MetricSpec | None) -> tuple[Field[SliceScore], ...]:
    """A line a slice, in the metric's name and unit."""
    score, lost = figures_in(metric, [figure for figure in FIGURES if figure.key in ("task_score", "task_drop")])
    unit = "%" if score.unit == SHARE else score.unit

    def told_as(title: str, path: str, figure: Figure, head: str) -> Field[SliceScore]:
        return figured(title, head, told(path), partial(written, figure.unit), "not defined here", raw=figure.unit)

    return (
        named("Slice", lambda found: f"{found.kind} {found.name}"),
        worded("Samples", lambda found: f"{found.task.count:,}"),
        told_as(f"Eager {score.words}", "task.reference", score, unit),
        told_as(score.title, "task.score", score, unit),
        told_as("Lost", "task.drop", lost, lost.unit),
        told_as("At least", "task.low", lost, lost.unit),
        told_as("At most", "task.high", lost, lost.unit),
    )


def slug(text: str) -> str:
    """``text`` as an HTML id: ASCII letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unnamed"


def facts(row: CandidateRow, case: Case) -> tuple[Fact, ...]:
    """What is known of the candidate, line by line; what is not known has no line."""
    made, checked = case.conversion, case.validation
    tolerance = size = conversion = None
    if row.smallest_passing_tolerance is not None:
        applied = f"; {difference(row.tolerance)} was applied" if row.tolerance is not None else ""
        tolerance = f"{difference(row.smallest_passing_tolerance)}{applied}"
    if made is not None and made.bytes is not None:
        size = f"{byte_size(made.bytes)} ({made.bytes:,} bytes)"
    if made is not None and made.seconds is not None:
        memory = f", peak memory {byte_size(made.peak_memory_bytes)}" if made.peak_memory_bytes is not None else ""
        conversion = f"{significant(made.seconds)} s{memory}"
    versions = made.versions if made is not None else {}
    checked_by = checked.checked_by if checked is not None else None
    reason = checked.reason if checked is not None else None
    lines = (
        ("Format, precision", f"{row.format}, {row.precision}"),
        ("Form", FORMS[row.form]),
        ("Ships to", ", ".join(DEVICE_TITLES[name] for name in row.platforms)),
        ("Smallest tolerance that passes", tolerance),
        ("Artifact", told("conversion.artifact")(case)),
        ("sha256", told("conversion.sha256")(case)),
        ("Size", size),
        ("Conversion", conversion),
        ("Made with", ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))),
        ("Log", told("conversion.log")(case)),
        ("Run by", checked_by and f"{checked_by}, in the place of its own runtime"),
        ("Validation", reason if reason != row.reason else None),
    )
    return tuple(Fact(label, text, code=label in ("Artifact", "sha256", "Log")) for label, text in lines if text)


def points_seen(row: CandidateRow, evaluation: EvaluationDocument) -> dict[tuple[PointState, str], list[str]]:
    """Every point of the policy that the candidate was held against, with the devices for which it is the same.

    Device classes of which the same is said are one line. Why a candidate failed is said among the failures.
    """
    devices: dict[tuple[PointState, str], list[DeviceClass]] = {}
    for verdict in evaluation.verdicts:
        for standing in verdict.standings:
            if standing.candidate == row.candidate:
                for point in standing.points:
                    text = unnamed(point.text, verdict.device_class)
                    if row.status != "passed" and row.reason:
                        text = text.replace(row.reason, FAILED)
                    devices.setdefault((point.state, text), []).append(verdict.device_class)
    return {
        (state, named_there(text, found)): [DEVICE_TITLES[device] for device in found]
        for (state, text), found in devices.items()
    }
