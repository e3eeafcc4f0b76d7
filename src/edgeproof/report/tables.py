"""The report's tables: candidates side by side, what the edge server served, and what failed. Units stand in heads."""

from __future__ import annotations

from collections.abc import Sequence

from edgeproof.documents.evaluation import CandidateRow, Evidence
from edgeproof.documents.latency import LatencySummary, Served
from edgeproof.documents.policy import PercentileName
from edgeproof.documents.task import MetricSpec
from edgeproof.report.columns import Field, figured, named, table_of, worded
from edgeproof.report.content import STATUS_TONES, Table
from edgeproof.report.quantities import scaled, significant
from edgeproof.verdict.figures import ON_HOST, OUTPUTS, SHIPPED, Figure, figures_in, told, unsupported
from edgeproof.verdict.wording import and_list

__all__ = ["candidates", "failures", "members", "served", "served_notes"]

NAME: Field[CandidateRow] = named("Candidate", told("candidate"))
STATUS: Field[CandidateRow] = worded("Status", told("status"), tone=lambda row: STATUS_TONES[row.status])


UNDER_FAILURES = "it did not get that far: the reason stands under Failures"


def candidates(rows: Sequence[CandidateRow], evidence: Evidence) -> Table:
    """All candidates: difference, task score, latency with the cold start apart, size, memory, status."""
    shown = [
        figure
        for figure in figures_in(metric_of(evidence), (*OUTPUTS, *ON_HOST, *SHIPPED))
        if figure.column == "always" or (figure.column == "some" and values(rows, figure.key))
    ]
    caption = "Every candidate: outputs against the eager model, latency on the host, and what ships."
    return table_of("candidates", caption, (NAME, STATUS, *columns(shown, rows)), rows)


def members(rows: Sequence[CandidateRow], evidence: Evidence) -> Table:
    """The candidates on the front, with what they are compared by."""
    wanted = ["task_score", "median_us", "bytes"]
    if not values(rows, "task_score"):
        wanted[0] = "relative_l2"
    known = figures_in(metric_of(evidence))
    shown = [figure for key in wanted for figure in known if figure.key == key]
    ships: Field[CandidateRow] = figured(
        "Ships",
        "MB",
        lambda row: row.ships.get("host"),
        lambda size: significant(size / 1e6),
        lambda row: row.ships_unknown.get("host", "it does not ship to a host"),
        raw="bytes",
    )
    last = [ships] if evidence.shipping is not None else []
    return table_of("front", "On the front.", (NAME, *columns(shown, rows), *last), rows)


def metric_of(evidence: Evidence) -> MetricSpec | None:
    """What the task is scored by, or None."""
    return evidence.validation.scored_by if evidence.validation is not None else None


def values(rows: Sequence[CandidateRow], key: str) -> list[float]:
    return [value for row in rows if (value := getattr(row, key)) is not None]


def columns(shown: Sequence[Figure], rows: Sequence[CandidateRow]) -> list[Field[CandidateRow]]:
    """A column a figure. Times share one unit, that of the medians."""

    def field(figure: Figure) -> Field[CandidateRow]:
        unit, show = scaled(figure.unit, values(rows, "median_us" if figure.unit == "µs" else figure.key))
        return figured(
            figure.title,
            unit,
            told(figure.key),
            show,
            lambda row: absence(row, figure.key),
            raw=figure.unit,
            noted_first=figure.column == "some",
        )

    return [field(figure) for figure in shown]


def absence(row: CandidateRow, key: str) -> str:
    """Why a figure is missing; why a candidate failed is said among the failures, and nowhere else."""
    reason = row.absent.get(key, "no phase recorded it")
    return UNDER_FAILURES if row.status != "passed" and row.reason and row.reason in reason else reason


def served(latency: LatencySummary | None) -> Table | None:
    """What the client saw of the edge server, apart from the inference inside it."""
    if latency is None or not latency.served:
        return None
    client, in_client = scaled("µs", (proof.steady.median_us for proof in latency.served))
    inside = [proof.server_inference.median_us for proof in latency.served if proof.server_inference is not None]
    inner, in_inner = scaled("µs", inside)

    def client_percentile(name: PercentileName) -> Field[Served]:
        path = told(f"steady.{name}.value_us")
        return figured(
            f"Client {name} ≤", client, path, in_client, lambda proof: unsupported(proof.steady, name), raw="µs"
        )

    no_cold, no_process = "the client did not start the server", "the system does not tell"
    fields: tuple[Field[Served], ...] = (
        named("Candidate", told("candidate")),
        figured("Requests", "count", told("requests"), "{:,}".format),
        worded(
            "Errors", lambda proof: f"{proof.errors:,}", unit="count", tone=lambda proof: "bad" if proof.errors else ""
        ),
        figured("Client median", client, told("steady.median_us"), in_client, raw="µs"),
        client_percentile("p90"),
        figured(
            "Inference median",
            inner,
            told("server_inference.median_us"),
            in_inner,
            "the server does not tell its inference time",
            raw="µs",
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
            raw="bytes",
        ),
    )
    caption = "The edge server driven by the client: request sent to response parsed, and the inference inside it."
    return table_of("served", caption, fields, latency.served)


def served_notes(latency: LatencySummary | None) -> tuple[str, ...]:
    """How the server was driven: protocol, transport, body, threads, core placement."""
    if latency is None:
        return ()
    driven: dict[str, list[str]] = {}
    for proof in latency.served:
        cores = f"client on {spans(proof.client_cpus)}, server on {spans(proof.server_cpus)}"
        threads = f"{proof.threads} inference thread{'s' if proof.threads != 1 else ''}"
        how = f"request body {proof.body_bytes:,} bytes, {threads}, {cores}."
        driven.setdefault(how, []).append(proof.candidate)
    lines = [f"Protocol {latency.protocol} over {latency.transport}."]
    return (*lines, *(f"{and_list(names)}: {how}" for how, names in driven.items()))


def spans(cpus: tuple[int, ...]) -> str:
    if not cpus:
        return "cores that were not recorded"
    return f"core{'s' if len(cpus) > 1 else ''} {', '.join(str(cpu) for cpu in cpus)}"


def failures(rows: Sequence[CandidateRow]) -> Table | None:
    """The candidates that did not pass, with the reason and what can be done; those that share both share a row."""
    alike: dict[tuple[str, str | None, str | None], list[CandidateRow]] = {}
    for row in rows:
        if row.status != "passed":
            alike.setdefault((row.status, row.reason, row.remedy), []).append(row)
    fields: tuple[Field[list[CandidateRow]], ...] = (
        named("Candidate", lambda found: ", ".join(row.candidate for row in found)),
        worded("Status", lambda found: found[0].status, tone=lambda found: STATUS_TONES[found[0].status]),
        worded("Reason", lambda found: found[0].reason or "no reason was recorded"),
        worded("What can be done", lambda found: found[0].remedy or "nothing is known to help"),
    )
    return table_of("failures", "Candidates that did not pass.", fields, alike.values()) if alike else None
