"""The report's tables: candidates side by side, what the edge server served, and what failed. Units stand in heads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from edgeproof.documents.evaluation import CandidateRow, Evidence
from edgeproof.documents.latency import LatencySummary, Percentile, Steady
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.quantities import byte_unit, difference, percent, significant, time_unit

__all__ = ["STATUS_TONES", "Notes", "candidates", "failures", "served", "served_notes"]

STATUS_TONES = {"passed": "good", "failed": "bad", "error": "bad", "not converted": "bad", "skipped": "open"}


class Notes:
    """Footnotes of one table: each reason once, numbered in order of appearance."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def absent(self, reason: str) -> Cell:
        """A cell for a figure that is missing, with its footnote."""
        if reason not in self.reasons:
            self.reasons.append(reason)
        return Cell("not measured", note=self.reasons.index(reason) + 1, tone="absent")

    def figure(self, value: float | None, show: Callable[[float], str], reason: str) -> Cell:
        """A figure as text, or the reason why there is none. NaN and Inf are none."""
        return Cell(show(value)) if value is not None and math.isfinite(value) else self.absent(reason)


def candidates(rows: Sequence[CandidateRow], evidence: Evidence) -> Table:
    """All candidates: difference, task score, latency with the cold start apart, size, memory, status."""
    notes = Notes()
    validation = evidence.validation
    task = (validation.task if validation is not None and validation.task else "task score").capitalize()
    spiking = any(row.spike_agreement is not None for row in rows)
    time, per_time = time_unit(row.median_us for row in rows if row.median_us is not None)
    size, per_size = byte_unit(row.bytes for row in rows if row.bytes is not None)
    columns = [
        Column("Candidate"),
        Column("Status"),
        Column("Difference", "relative L2"),
        *([Column("Equal spike counts", "%")] if spiking else []),
        Column(task, "%"),
        Column("Lost", "points"),
        Column("Host p50", time),
        Column("Host p90", time),
        Column("Cold start", "ms"),
        Column("Size", size),
        Column("Peak memory", "MB"),
    ]

    def cell(row: CandidateRow, field: str, show: Callable[[float], str]) -> Cell:
        value: float | None = getattr(row, field)
        return notes.figure(value, show, row.absent.get(field, "no phase recorded it"))

    def in_time(value: float) -> str:
        return significant(value / per_time)

    lines = []
    for row in rows:
        agreement = [cell(row, "spike_agreement", percent)] if spiking else []
        lines.append(
            (
                Cell(row.candidate, tone="name"),
                Cell(row.status, tone=STATUS_TONES[row.status]),
                cell(row, "relative_l2", difference),
                *agreement,
                cell(row, "task_score", percent),
                cell(row, "task_drop", lambda value: f"{value:.2f}".replace("-0.00", "0.00")),
                cell(row, "p50_us", in_time),
                cell(row, "p90_us", in_time),
                cell(row, "cold_start_ms", significant),
                cell(row, "bytes", lambda value: significant(value / per_size)),
                cell(row, "peak_memory_bytes", lambda value: significant(value / 1e6)),
            )
        )
    return Table(
        id="candidates",
        caption="Every candidate: outputs against the eager model, latency on the host, and what ships.",
        columns=tuple(columns),
        rows=tuple(lines),
        notes=tuple(notes.reasons),
    )


def served(latency: LatencySummary | None) -> Table | None:
    """What the client saw of the edge server, apart from the inference inside it."""
    if latency is None or not latency.served:
        return None
    notes = Notes()
    client, per_client = time_unit(one.steady.median_us for one in latency.served)
    inner, per_inner = time_unit(one.server_inference.median_us for one in latency.served if one.server_inference)
    columns = (
        Column("Candidate"),
        Column("Requests", "count"),
        Column("Errors", "count"),
        Column("Client p50", client),
        Column("Client p90", client),
        Column("Inference p50", inner),
        Column("Cold start", "ms, median"),
        Column("Cold starts", "processes"),
        Column("Server CPU", "% of one core"),
        Column("Server memory", "MB, peak"),
    )
    lines = []
    for one in latency.served:
        cold = one.cold_start
        no_cold = "the client did not start the server"
        cold_cells = (
            (Cell(significant(cold.median_ms)), Cell(str(cold.processes)))
            if cold is not None
            else (notes.absent(no_cold), notes.absent(no_cold))
        )
        memory = one.server.peak_memory_bytes
        lines.append(
            (
                Cell(one.candidate, tone="name"),
                Cell(f"{one.requests:,}"),
                Cell(f"{one.errors:,}", tone="bad" if one.errors else ""),
                percentile(notes, one.steady, one.steady.p50, "p50", per_client),
                percentile(notes, one.steady, one.steady.p90, "p90", per_client),
                notes.absent("the server does not tell its inference time")
                if one.server_inference is None
                else percentile(notes, one.server_inference, one.server_inference.p50, "p50", per_inner),
                *cold_cells,
                notes.figure(one.server.cpu_percent, significant, "the system does not tell"),
                notes.figure(memory, lambda value: significant(value / 1e6), "the system does not tell"),
            )
        )
    return Table(
        id="served",
        caption="The edge server driven by the client: request sent to response parsed, and the inference inside it.",
        columns=columns,
        rows=tuple(lines),
        notes=tuple(notes.reasons),
    )


def percentile(notes: Notes, steady: Steady, value: Percentile, name: str, per_unit: float) -> Cell:
    reason = f"{steady.count} measurements do not support a {name}: {value.needs_more} more needed"
    return notes.figure(value.value_us, lambda found: significant(found / per_unit), reason)


def served_notes(latency: LatencySummary | None) -> tuple[str, ...]:
    """How the server was driven: protocol, transport, body, threads, core placement."""
    if latency is None:
        return ()
    lines = [f"Protocol {latency.protocol} over {latency.transport}."]
    for one in latency.served:
        cores = f"client on {spans(one.client_cpus)}, server on {spans(one.server_cpus)}"
        threads = f"{one.threads} inference thread{'s' if one.threads != 1 else ''}"
        lines.append(f"{one.candidate}: request body {one.body_bytes:,} bytes, {threads}, {cores}.")
    return tuple(lines)


def spans(cpus: tuple[int, ...]) -> str:
    if not cpus:
        return "cores that were not recorded"
    return f"core{'s' if len(cpus) > 1 else ''} {', '.join(str(cpu) for cpu in cpus)}"


def failures(rows: Sequence[CandidateRow]) -> Table | None:
    """Every candidate that did not pass, with the reason and what can be done."""
    failed = [row for row in rows if row.status != "passed"]
    if not failed:
        return None
    return Table(
        id="failures",
        caption="Candidates that did not pass.",
        columns=(Column("Candidate"), Column("Status"), Column("Reason"), Column("What can be done")),
        rows=tuple(
            (
                Cell(row.candidate, tone="name"),
                Cell(row.status, tone=STATUS_TONES[row.status]),
                Cell(row.reason or "no reason was recorded"),
                Cell(row.remedy or "nothing is known to help"),
            )
            for row in failed
        ),
    )
