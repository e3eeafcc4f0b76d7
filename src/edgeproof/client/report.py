"""What phones saw, as the client's processes write it: raw values, and what came of them all together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from edgeproof.documents.base import Document
from edgeproof.documents.latency import ProcessUse
from edgeproof.documents.load import Load, UsePoint

__all__ = ["ClientReport", "merged"]


class ClientReport(Document, frozen=True, kw_only=True):
    """What one or several phones saw. Raw values in order, phone after phone; requests that failed are in ``errors``
    and not in the latencies."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.client", 1)

    url: str
    model: str
    platform: str
    requests: int
    warmup: int
    rate_per_s: float | None
    latency_us: tuple[float, ...]
    inference_us: tuple[float, ...]
    """The session's run alone, as the server tells it; empty when it does not."""
    errors: int
    first_error: str | None
    non_finite: int
    """Values in outputs that were NaN or Inf."""
    body_bytes: int
    seconds: float
    client_cpus: tuple[int, ...]
    server_cpus: tuple[int, ...]
    server: ProcessUse | None
    """What its process used over the measured requests; None when it is not on this machine or tells no pid."""
    threads: int | None
    degraded: str | None = None
    """Why the model's runtime has fallen back to slow kernels, as the server says; None where it does not say so."""
    load: Load = Load()
    phone_counts: tuple[int, ...] = ()
    """How many of the latencies are each phone's."""
    first_us: tuple[float, ...] = ()
    """The first request of each phone, its connection's opening included; before the warm-up, in no other figure."""
    late_us: tuple[float, ...] = ()
    """With intended send times: how late a request left a phone that was free for it."""
    retries: int = 0
    sent_bytes: int = 0
    """Over the measured requests, heads included."""
    received_bytes: int = 0
    connections: int = 0
    """That were opened over the measured requests and for them."""
    use_over_time: tuple[UsePoint, ...] = ()
    partial: str | None = None
    """Why it ended before its time; None where it is whole."""


def merged(reports: Sequence[ClientReport], load: Load) -> ClientReport:
    """One report of several that drove the same server at the same time.

    Args:
        reports: one a process, at least one.
        load: how all of them together called.
    """
    first = reports[0]
    return ClientReport(
        url=first.url,
        model=first.model,
        platform=first.platform,
        requests=sum(report.requests for report in reports),
        warmup=sum(report.warmup for report in reports),
        rate_per_s=load.rate_per_s,
        latency_us=tuple(value for report in reports for value in report.latency_us),
        inference_us=tuple(value for report in reports for value in report.inference_us),
        errors=sum(report.errors for report in reports),
        first_error=next((report.first_error for report in reports if report.first_error), None),
        non_finite=sum(report.non_finite for report in reports),
        body_bytes=first.body_bytes,
        seconds=max(report.seconds for report in reports),
        client_cpus=first.client_cpus,
        server_cpus=first.server_cpus,
        server=next((report.server for report in reports if report.server is not None), None),
        threads=first.threads,
        degraded=next((report.degraded for report in reports if report.degraded), None),
        load=load,
        phone_counts=tuple(count for report in reports for count in report.phone_counts),
        first_us=tuple(value for report in reports for value in report.first_us),
        late_us=tuple(value for report in reports for value in report.late_us),
        retries=sum(report.retries for report in reports),
        sent_bytes=sum(report.sent_bytes for report in reports),
        received_bytes=sum(report.received_bytes for report in reports),
        connections=sum(report.connections for report in reports),
        use_over_time=next((report.use_over_time for report in reports if report.use_over_time), ()),
        partial=next((report.partial for report in reports if report.partial), None),
    )
