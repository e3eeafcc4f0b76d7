"""What phones saw, in the words of phase 2: the summary that ``edgeproof bench`` prints, and its parts."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgeproof.client.report import ClientReport
from edgeproof.client.zenoh_line import SCHEME
from edgeproof.documents.latency import Capacity, LatencySummary, OverNetwork, ProcessUse, Served
from edgeproof.documents.load import AsBefore, Load, NetworkProfile, Scenario, Shaping
from edgeproof.measure.machine import read_machine
from edgeproof.measure.statistics import steady

__all__ = [
    "NETWORK",
    "PROTOCOLS",
    "Seen",
    "as_before",
    "over_network",
    "protocol_of",
    "summarise",
    "summary_of",
    "transport_of",
]

PROTOCOLS = {
    "json": "Open Inference Protocol V2, JSON",
    "binary": "Open Inference Protocol V2, binary tensors",
}
BEFORE_REQUESTS = 100
NETWORK = "client and server ran on one machine: a radio link adds its own time to every request"


@dataclass
class Seen:
    """Everything of one server, as far as it was measured.

    Attributes:
        report: over the first network; None where nothing was driven yet.
        raw: file that keeps its values, or empty when none does.
        networks: over each network that was asked for.
        capacity: over no network, or over the first.
        scenario: of MLPerf.
        partial: why it ended before its time.
    """

    report: ClientReport | None = None
    raw: str = ""
    networks: list[OverNetwork] = field(default_factory=list)
    capacity: Capacity | None = None
    scenario: Scenario | None = None
    partial: str | None = None


def protocol_of(load: Load) -> str:
    """The protocol and how its tensors go over the wire."""
    return PROTOCOLS[load.codec]


def transport_of(load: Load, url: str) -> str:
    """Connections and times of requests in words."""
    over = url.startswith(SCHEME)
    connection = "zenoh session" if over else "TCP connection"
    if load.connections != "kept":
        lines = f"a {connection} a request"
    else:
        kept = connection if over else f"keep-alive {connection}"
        lines = f"one {kept}" if load.phones == 1 else f"a {kept} a phone"
    pace = "closed loop"
    if load.rate_per_s is not None:
        how = "a Poisson process of " if load.arrivals == "poisson" else ""
        pace = f"{how}{load.rate_per_s:g} requests/s, from the intended send time"
    elif load.pace_s is not None:
        pace = f"a request every {load.pace_s:g} s"
    elif load.think_s is not None:
        pace = f"{load.think_s:g} s after each answer"
    processes = f"{load.processes} process{'es' if load.processes > 1 else ''}"
    phones = "" if load.phones == 1 else f"{load.phones} phones in {processes}, "
    return f"{lines if over else f'HTTP/1.1 over {lines}'}, {phones}{pace}"


def summarise(report: ClientReport, *, raw: str) -> LatencySummary:
    """One server driven without a network between. The client did not start the server: there is no cold start.

    Args:
        report: the client's.
        raw: file that keeps the values, or empty when none does.
    """
    return summary_of(Seen(report=report, raw=raw))


def summary_of(seen: Seen) -> LatencySummary:
    """All that was seen of one server; there is a report."""
    report, raw = seen.report, seen.raw
    assert report is not None
    missing = {
        "cold_start": "the server was running already: `edgeproof run` starts it afresh and measures that",
        "energy": "no power meter is attached",
    }
    if report.server is None:
        missing["server"] = "the server is not on this machine, or tells no process id"
    if not report.inference_us:
        missing["server_inference"] = "the server does not tell the time of its inference"
    if report.threads is None:
        missing["threads"] = "the server does not tell its threads: 0 stands for that"
    if not raw:
        missing["raw"] = "the values were not kept: give a file with --raw"
    server_raw = f"{raw}#inference_us" if raw else ""
    first_ms = [report.first_us[0] / 1000] if report.first_us else []
    served = Served(
        candidate=report.platform,
        artifact=f"{report.url}/v2/models/{report.model}",
        requests=report.requests,
        errors=report.errors,
        cold_start=None,
        steady=steady(report.latency_us, warmup=report.warmup, raw=raw),
        server_inference=(
            steady(report.inference_us, warmup=report.warmup, raw=server_raw) if report.inference_us else None
        ),
        server=report.server or ProcessUse(cpu_percent=None, peak_memory_bytes=None),
        body_bytes=report.body_bytes,
        threads=report.threads or 0,
        client_cpus=report.client_cpus,
        server_cpus=report.server_cpus,
        degraded=report.degraded,
        first_error=report.first_error,
        load=report.load,
        retries=report.retries,
        sent_bytes=report.sent_bytes,
        received_bytes=report.received_bytes,
        use_over_time=report.use_over_time,
        capacity=seen.capacity,
        scenario=seen.scenario,
        as_before=as_before(first_ms, report.latency_us, cold_start_included=False),
        networks=tuple(seen.networks),
        partial=seen.partial or report.partial,
    )
    return LatencySummary(
        model=report.model,
        url=report.url,
        machine=read_machine(),
        protocol=protocol_of(report.load),
        transport=transport_of(report.load, report.url),
        served=(served,),
        not_measured=missing,
    )


def over_network(
    profile: NetworkProfile, shaping: Shaping, report: ClientReport, *, raw: str, capacity: Capacity | None = None
) -> OverNetwork:
    """What was seen over one network."""
    first, late = report.first_us, report.late_us
    return OverNetwork(
        profile=profile,
        shaping=shaping,
        load=report.load,
        requests=report.requests,
        errors=report.errors,
        retries=report.retries,
        sent_bytes=report.sent_bytes,
        received_bytes=report.received_bytes,
        connections=report.connections,
        first_request=steady(first, warmup=0, raw=f"{raw}#first_us" if raw else "") if first else None,
        steady=steady(report.latency_us, warmup=report.warmup, raw=raw) if report.latency_us else None,
        server=report.server or ProcessUse(cpu_percent=None, peak_memory_bytes=None),
        use_over_time=report.use_over_time,
        late=steady(late, warmup=0, raw=f"{raw}#late_us" if raw else "") if late else None,
        capacity=capacity,
        first_error=report.first_error,
        partial=report.partial,
    )


def as_before(first_ms: Sequence[float], latency_us: Sequence[float], *, cold_start_included: bool) -> AsBefore | None:
    """Figures as a plain script makes them: the first requests, the very first among them, and percentiles of that
    sample by linear interpolation, with no word on how sure they are.

    Args:
        first_ms: the cold start, or the first request where the server was running; empty: not known.
        latency_us: what came after it.
        cold_start_included: whether the first is a cold start.

    Returns:
        None where there are fewer than two values.
    """
    values = [*first_ms[:1], *(value / 1000 for value in latency_us)][:BEFORE_REQUESTS]
    if len(values) < 2:
        return None
    twentieths = statistics.quantiles(values, n=20, method="inclusive")
    first = "the cold start is the first of them" if cold_start_included else "the server was warm"
    return AsBefore(
        requests=len(values),
        cold_start_included=cold_start_included,
        mean_ms=round(statistics.fmean(values), 3),
        p50_ms=round(statistics.median(values), 3),
        p95_ms=round(twentieths[18], 3),
        note=f"for comparison with reports of {BEFORE_REQUESTS} plain requests alone: {first}, and so few requests do "
        "not support a p95",
    )
