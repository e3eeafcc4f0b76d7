"""The report's tables: candidates side by side, what the edge server served, and what failed. Units stand in heads."""

from __future__ import annotations

from collections.abc import Sequence

from edgeproof.documents.evaluation import CandidateRow, Evidence
from edgeproof.documents.latency import LatencySummary, Served
from edgeproof.documents.policy import PercentileName
from edgeproof.report.columns import Field, figured, named, table_of, worded
from edgeproof.report.content import STATUS_TONES, Table
from edgeproof.report.quantities import scaled, significant
from edgeproof.verdict.figures import ON_HOST, OUTPUTS, SHIPPED, Figure, told, unsupported

__all__ = ["candidates", "failures", "served", "served_notes"]

NAME: Field[CandidateRow] = named("Candidate", told("candidate"))
STATUS: Field[CandidateRow] = worded("Status", told("status"), tone=lambda row: STATUS_TONES[row.status])


def candidates(rows: Sequence[CandidateRow], evidence: Evidence) -> Table:
    """All candidates: difference, task score, latency with the cold start apart, size, memory, status."""
    task = (evidence.validation.task if evidence.validation is not None else None) or "task score"

    def values(key: str) -> list[float]:
        return [value for row in rows if (value := getattr(row, key)) is not None]

    def field(figure: Figure) -> Field[CandidateRow]:
        """Times share one unit, that of the medians."""
        unit, show = scaled(figure.unit, values("median_us" if figure.unit == "µs" else figure.key))
        return figured(
            task.capitalize() if figure.key == "task_score" else figure.title,
            unit,
            told(figure.key),
            show,
            lambda row: row.absent.get(figure.key, "no phase recorded it"),
            noted_first=figure.column == "some",
        )

    shown = [
        field(figure)
        for figure in (*OUTPUTS, *ON_HOST, *SHIPPED)
        if figure.column == "always" or (figure.column == "some" and values(figure.key))
    ]
    caption = "Every candidate: outputs against the eager model, latency on the host, and what ships."
    return table_of("candidates", caption, (NAME, STATUS, *shown), rows)


def served(latency: LatencySummary | None) -> Table | None:
    """What the client saw of the edge server, apart from the inference inside it."""
    if latency is None or not latency.served:
        return None
    client, in_client = scaled("µs", (proof.steady.median_us for proof in latency.served))
    inside = [proof.server_inference.median_us for proof in latency.served if proof.server_inference is not None]
    inner, in_inner = scaled("µs", inside)

    def client_percentile(name: PercentileName) -> Field[Served]:
        path = told(f"steady.{name}.value_us")
        return figured(f"Client {name}", client, path, in_client, lambda proof: unsupported(proof.steady, name))

    no_cold, no_process = "the client did not start the server", "the system does not tell"
    fields: tuple[Field[Served], ...] = (
        named("Candidate", told("candidate")),
        figured("Requests", "count", told("requests"), "{:,}".format),
        worded(
            "Errors", lambda proof: f"{proof.errors:,}", unit="count", tone=lambda proof: "bad" if proof.errors else ""
        ),
        client_percentile("p50"),
        client_percentile("p90"),
        figured(
            "Inference p50",
            inner,
            told("server_inference.p50.value_us"),
            in_inner,
            lambda proof: (
                unsupported(proof.server_inference, "p50")
                if proof.server_inference is not None
                else "the server does not tell its inference time"
            ),
        ),
        figured("Cold start", "ms, median", told("cold_start.median_ms"), absent=no_cold, noted_first=True),
        figured("Cold starts", "processes", told("cold_start.processes"), str, no_cold, noted_first=True),
        figured("Server CPU", "% of one core", told("server.cpu_percent"), absent=no_process),
        figured(
            "Server memory",
            "MB, peak",
            told("server.peak_memory_bytes"),
            lambda memory: significant(memory / 1e6),
            no_process,
        ),
    )
    caption = "The edge server driven by the client: request sent to response parsed, and the inference inside it."
    return table_of("served", caption, fields, latency.served)


def served_notes(latency: LatencySummary | None) -> tuple[str, ...]:
    """How the server was driven: protocol, transport, body, threads, core placement."""
    if latency is None:
        return ()
    lines = [f"Protocol {latency.protocol} over {latency.transport}."]
    for proof in latency.served:
        cores = f"client on {spans(proof.client_cpus)}, server on {spans(proof.server_cpus)}"
        threads = f"{proof.threads} inference thread{'s' if proof.threads != 1 else ''}"
        lines.append(f"{proof.candidate}: request body {proof.body_bytes:,} bytes, {threads}, {cores}.")
    return tuple(lines)


def spans(cpus: tuple[int, ...]) -> str:
    if not cpus:
        return "cores that were not recorded"
    return f"core{'s' if len(cpus) > 1 else ''} {', '.join(str(cpu) for cpu in cpus)}"


def failures(rows: Sequence[CandidateRow]) -> Table | None:
    """Every candidate that did not pass, with the reason and what can be done."""
    failed = [row for row in rows if row.status != "passed"]
    fields: tuple[Field[CandidateRow], ...] = (
        NAME,
        STATUS,
        worded("Reason", lambda row: row.reason or "no reason was recorded"),
        worded("What can be done", lambda row: row.remedy or "nothing is known to help"),
    )
    return table_of("failures", "Candidates that did not pass.", fields, failed) if failed else None
