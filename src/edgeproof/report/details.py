"""One candidate in full: outputs one by one, rewrites with their measured effect, where it stands, what made it."""

from __future__ import annotations

import re

from edgeproof.documents.conversion import ConversionResult
from edgeproof.documents.evaluation import CandidateRow, EvaluationDocument, Evidence, PointState
from edgeproof.documents.validation import Differences, ValidationResult
from edgeproof.report.content import DEVICE_TITLES, Cell, Column, Detail, Fact, Table
from edgeproof.report.quantities import byte_size, difference, percent, significant
from edgeproof.report.tables import STATUS_TONES, Notes

__all__ = ["detail", "slug"]

POINT_TONES: dict[PointState, str] = {"met": "good", "not met": "bad", "unsupported": "open", "not measured": "absent"}
FORMS = {
    "whole": "whole (no time steps of its own)",
    "unrolled": "all time steps in one call",
    "step": "step (one time step with explicit state, driven by a loop)",
}


def detail(row: CandidateRow, evidence: Evidence, evaluation: EvaluationDocument) -> Detail:
    """All that the run knows of the row's candidate."""
    conversions = evidence.conversion.candidates if evidence.conversion is not None else ()
    results = evidence.validation.results if evidence.validation is not None else ()
    conversion = next((one for one in conversions if one.candidate == row.candidate), None)
    validation = next((one for one in results if one.candidate == row.candidate), None)
    name = slug(row.candidate)
    made = (
        outputs_table(name, validation),
        variants_table(name, validation),
        standing_table(name, row.candidate, evaluation),
        device_table(name, row.candidate, evidence),
        rewrites_table(name, conversion),
    )
    checks = [f"Checked: {check}" for check in validation.structure] if validation is not None else []
    warnings = warnings_of(validation) if validation is not None else []
    said = evidence.samples.signature.notes if evidence.samples is not None else ()
    noted = [note for note in conversion.notes if note not in said] if conversion is not None else []
    return Detail(
        id=f"candidate-{name}",
        candidate=row.candidate,
        status=row.status,
        tone=STATUS_TONES[row.status],
        reason=row.reason,
        facts=facts(row, conversion, validation),
        tables=tuple(table for table in made if table is not None),
        notes=(*warnings, *noted, *checks),
    )


def slug(text: str) -> str:
    """``text`` as an HTML id: ASCII letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unnamed"


def facts(
    row: CandidateRow, conversion: ConversionResult | None, validation: ValidationResult | None
) -> tuple[Fact, ...]:
    lines = [
        Fact("Format, precision", f"{row.format}, {row.precision}"),
        Fact("Form", FORMS.get(row.form, row.form)),
    ]
    if row.platforms:
        lines.append(Fact("Ships to", ", ".join(DEVICE_TITLES[name] for name in row.platforms)))
    if row.smallest_passing_tolerance is not None:
        applied = f"; {difference(row.tolerance)} was applied" if row.tolerance is not None else ""
        tolerance = difference(row.smallest_passing_tolerance)
        lines.append(Fact("Smallest tolerance that passes", f"{tolerance}{applied}"))
    if conversion is not None:
        if conversion.artifact is not None:
            lines.append(Fact("Artifact", conversion.artifact, code=True))
        if conversion.sha256 is not None:
            lines.append(Fact("sha256", conversion.sha256, code=True))
        if conversion.bytes is not None:
            lines.append(Fact("Size", f"{byte_size(conversion.bytes)} ({conversion.bytes:,} bytes)"))
        if conversion.seconds is not None:
            peak = conversion.peak_memory_bytes
            memory = f", peak memory {byte_size(peak)}" if peak is not None else ""
            lines.append(Fact("Conversion", f"{significant(conversion.seconds)} s{memory}"))
        if conversion.versions:
            made_with = ", ".join(f"{name} {version}" for name, version in sorted(conversion.versions.items()))
            lines.append(Fact("Made with", made_with))
        if conversion.log is not None:
            lines.append(Fact("Log", conversion.log, code=True))
    if validation is not None and validation.checked_by is not None:
        lines.append(Fact("Run by", f"{validation.checked_by}, in the place of its own runtime"))
    if validation is not None and validation.reason is not None and validation.reason != row.reason:
        lines.append(Fact("Validation", validation.reason))
    if row.remedy is not None:
        lines.append(Fact("What can be done", row.remedy))
    return tuple(lines)


def outputs_table(name: str, validation: ValidationResult | None) -> Table | None:
    """Every output's differences; the worst over all of them when the outputs are not told apart."""
    if validation is None:
        return None
    outputs = validation.outputs or ((validation.differences,) if validation.differences is not None else ())
    if not outputs:
        return None
    notes = Notes()
    spiking = any(output.spikes is not None for output in outputs)
    columns = (
        Column("Output"),
        Column("Largest", "max_abs"),
        Column("L2", "mean over samples"),
        Column("L2", "largest sample"),
        Column("Relative", "relative L2"),
        Column("Cosine", "smallest"),
        Column("SNR", "dB"),
        Column("Argmax agreement", "%"),
        *((Column("Equal spike counts", "%"), Column("Spike count error", "mean, spikes")) if spiking else ()),
    )
    rows = tuple(output_row(output, notes, spiking=spiking) for output in outputs)
    caption = "Outputs against the eager model."
    return Table(id=f"{name}-outputs", caption=caption, columns=columns, rows=rows, notes=tuple(notes.reasons))


def warnings_of(validation: ValidationResult) -> list[str]:
    """What a reader should look into, of the artifact and of the ways it was computed."""
    said = [*validation.warnings, *(one.warning for one in validation.variants if one.warning)]
    return [f"Warning: {text}" for text in said]


def variants_table(name: str, validation: ValidationResult | None) -> Table | None:
    """The same artifact computed other ways, and how far that lies from the usual one."""
    told = [one for one in validation.variants if one.differences is not None] if validation is not None else []
    if not told:
        return None
    notes = Notes()
    undefined = "not finite, or not defined for this output"
    rows = tuple(
        (
            Cell(one.name, tone="name"),
            Cell(f"{one.samples:,}"),
            *(
                notes.figure(value, difference, undefined)
                for against in (one.differences, one.spread)
                for value in ((against.max_abs, against.relative_l2) if against is not None else (None, None))
            ),
        )
        for one in told
    )
    columns = (
        Column("Computed"),
        Column("Samples"),
        Column("Largest", "max_abs, against eager"),
        Column("Relative", "relative L2, against eager"),
        Column("Largest", "max_abs, spread"),
        Column("Relative", "relative L2, spread"),
    )
    caption = "Computed another way; the spread is its distance from the usual way on the same samples."
    return Table(id=f"{name}-variants", caption=caption, columns=columns, rows=rows, notes=tuple(notes.reasons))


def output_row(output: Differences, notes: Notes, *, spiking: bool) -> tuple[Cell, ...]:
    undefined = "not finite, or not defined for this output"
    exact = output.max_abs == 0
    spikes = output.spikes
    counts = (
        (
            notes.figure(spikes.agreement if spikes else None, percent, "this output is not spikes"),
            notes.figure(spikes.count_mean_abs if spikes else None, difference, "this output is not spikes"),
        )
        if spiking
        else ()
    )
    return (
        Cell(output.name or "worst of all", tone="name"),
        notes.figure(output.max_abs, difference, undefined),
        notes.figure(output.l2_mean, difference, undefined),
        notes.figure(output.l2_max, difference, undefined),
        notes.figure(output.relative_l2, difference, undefined),
        notes.figure(output.cosine_min, lambda value: f"{value:.6f}", undefined),
        Cell("exact") if exact and output.snr_db is None else notes.figure(output.snr_db, significant, undefined),
        notes.figure(output.argmax_agreement, percent, undefined),
        *counts,
    )


def standing_table(name: str, candidate: str, evaluation: EvaluationDocument) -> Table | None:
    """The candidate against every point of the policy; a point that is the same on several devices stands once."""
    devices: dict[tuple[PointState, str], list[str]] = {}
    for verdict in evaluation.verdicts:
        for standing in verdict.standings:
            if standing.candidate == candidate:
                for point in standing.points:
                    devices.setdefault((point.state, point.text), []).append(DEVICE_TITLES[verdict.device_class])
    if not devices:
        return None
    rows = tuple(
        (Cell(text), Cell(state, tone=POINT_TONES[state]), Cell(", ".join(titles)))
        for (state, text), titles in devices.items()
    )
    columns = (Column("What was seen"), Column("Policy"), Column("Device"))
    return Table(id=f"{name}-policy", caption="Against the policy.", columns=columns, rows=rows)


def device_table(name: str, candidate: str, evidence: Evidence) -> Table | None:
    """What real devices measured. An emulated one has no figures to show."""
    notes = Notes()
    rows = []
    for document in evidence.devices:
        for found in document.measurements:
            if found.candidate != candidate or found.steady is None or document.emulated:
                continue
            steady, cold = found.steady, found.cold_start
            hottest = max(found.temperature_c, default=None)
            first = (
                sorted(cold.first_inference_us)[len(cold.first_inference_us) // 2]
                if cold and cold.first_inference_us
                else None
            )
            load = sorted(cold.load_ms)[len(cold.load_ms) // 2] if cold and cold.load_ms else None
            no_cold = "no cold start was measured"
            rows.append(
                (
                    Cell(document.device, tone="name"),
                    Cell(f"{steady.count:,}"),
                    Cell(significant(steady.median_us)),
                    notes.figure(
                        steady.p90.value_us, significant, f"{steady.p90.needs_more} more measurements needed for a p90"
                    ),
                    notes.figure(
                        steady.p99.value_us, significant, f"{steady.p99.needs_more} more measurements needed for a p99"
                    ),
                    notes.figure(cold.median_ms if cold else None, significant, no_cold),
                    notes.figure(load, significant, no_cold),
                    notes.figure(first, significant, no_cold),
                    notes.figure(found.ratio_to_baseline, significant, "it is not compared with a baseline"),
                    notes.figure(found.energy_mj, significant, "no power meter"),
                    notes.figure(hottest, significant, "the device does not tell its temperature"),
                )
            )
    if not rows:
        return None
    columns = (
        Column("Device"),
        Column("Measured", "count"),
        Column("Median", "µs"),
        Column("p90", "µs"),
        Column("p99", "µs"),
        Column("Cold start", "ms, median"),
        Column("Load", "ms, median"),
        Column("First inference", "µs, median"),
        Column("Ratio to baseline", "×"),
        Column("Energy", "mJ per inference"),
        Column("Hottest", "°C"),
    )
    caption = "Measured on devices; steady state and cold start are separate figures."
    return Table(id=f"{name}-devices", caption=caption, columns=columns, rows=tuple(rows), notes=tuple(notes.reasons))


def rewrites_table(name: str, conversion: ConversionResult | None) -> Table | None:
    """Changes made to the graph so that the converter takes it."""
    if conversion is None or not conversion.rewrites:
        return None
    notes = Notes()
    only_call = "it changes only how the model is called"
    rows = tuple(
        (Cell(rewrite.name, tone="name"), Cell(rewrite.why), notes.figure(rewrite.max_abs, difference, only_call))
        for rewrite in conversion.rewrites
    )
    columns = (Column("Rewrite"), Column("Why"), Column("Measured effect", "max_abs"))
    caption = "Rewrites of the graph, each held against the graph before it on real samples."
    return Table(id=f"{name}-rewrites", caption=caption, columns=columns, rows=rows, notes=tuple(notes.reasons))
