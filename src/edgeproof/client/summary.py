"""What a client saw, in the words of phase 2: the summary that ``edgeproof bench`` prints."""

from __future__ import annotations

from edgeproof.client.simulator import ClientReport
from edgeproof.documents.latency import LatencySummary, ProcessUse, Served
from edgeproof.measure.machine import read_machine
from edgeproof.measure.statistics import steady

__all__ = ["PROTOCOL", "summarise"]

PROTOCOL = "Open Inference Protocol V2, JSON"


def summarise(report: ClientReport, *, raw: str) -> LatencySummary:
    """One server driven by one client. The client did not start the server: there is no cold start.

    Args:
        report: the client's.
        raw: file that keeps the values, or empty when none does.
    """
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
    )
    pace = f"{report.rate_per_s:g} requests/s, from the intended send time" if report.rate_per_s else "closed loop"
    return LatencySummary(
        model=report.model,
        url=report.url,
        machine=read_machine(),
        protocol=PROTOCOL,
        transport=f"HTTP/1.1 over one keep-alive TCP connection, {pace}",
        served=(served,),
        not_measured=missing,
    )
