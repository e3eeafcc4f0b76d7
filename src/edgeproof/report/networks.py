"""The report's table of a model served over networks: what a phone waits there, and what the network measured."""

from __future__ import annotations

from typing import NamedTuple

from edgeproof.documents.latency import LatencySummary, OverNetwork
from edgeproof.report.columns import Field, figured, named, table_of, worded
from edgeproof.report.content import Table
from edgeproof.report.quantities import significant
from edgeproof.verdict.figures import told, unsupported

__all__ = ["capacity_notes", "table"]

NOT_SHAPED = "nothing is between"
UNANSWERED = "no request was answered"


class _Row(NamedTuple):
    candidate: str
    over: OverNetwork


def table(latency: LatencySummary | None) -> Table | None:
    """Each candidate over each network; None where none was driven over one."""
    rows = [_Row(served.candidate, over) for served in (latency.served if latency else ()) for over in served.networks]
    if not rows:
        return None

    def milliseconds(value_us: float) -> str:
        return significant(value_us / 1000)

    fields: tuple[Field[_Row], ...] = (
        named("Candidate", told("candidate")),
        worded("Network", told("over.profile.name")),
        figured("Client median", "ms", told("over.steady.median_us"), milliseconds, UNANSWERED, raw="µs"),
        figured(
            "Client p90 ≤",
            "ms",
            told("over.steady.p90.value_us"),
            milliseconds,
            lambda row: unsupported(row.over.steady, "p90") if row.over.steady else UNANSWERED,
            raw="µs",
        ),
        figured(
            "First request",
            "ms",
            told("over.first_request.median_us"),
            milliseconds,
            "the first request was not answered",
            raw="µs",
        ),
        worded("Errors", lambda row: f"{row.over.errors:,}", unit="count"),
        figured("Round trip", "ms, measured", told("over.shaping.round_trip_median_ms"), absent=NOT_SHAPED),
        figured("Up", "Mbit/s, measured", told("over.shaping.up_mbit_per_s"), absent=NOT_SHAPED),
        figured("Down", "Mbit/s, measured", told("over.shaping.down_mbit_per_s"), absent=NOT_SHAPED),
    )
    made = sorted({row.over.shaping.how for row in rows if row.over.shaping.round_trips_ms})
    how = f" Made by {'; '.join(made)}." if made else ""
    return table_of("networks", f"The edge server over simulated networks, one phone.{how}", fields, rows)


def capacity_notes(latency: LatencySummary | None) -> tuple[str, ...]:
    """The highest rates that were found, in words, and why there were fewer cold starts than asked for."""
    lines = []
    for served in latency.served if latency else ():
        found = served.capacity
        if found is not None:
            bound = f"{found.percentile} ≤ {found.bound_us / 1000:g} ms"
            rate = (
                "at no rate that was tried" if found.rate_per_s is None else f"up to {found.rate_per_s:.4g} requests/s"
            )
            because = f" ({found.reason})" if found.reason else ""
            lines.append(f"{served.candidate}: {bound} holds {rate} of {found.phones} phones, Poisson{because}.")
        if served.cold_starts_note is not None:
            lines.append(f"{served.candidate}: cold starts {served.cold_starts_note}.")
        if served.partial is not None:
            lines.append(f"{served.candidate}: partial, {served.partial}.")
    return tuple(lines)
