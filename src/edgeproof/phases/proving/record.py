"""What was measured in phase 2, as its document: the new figures among those of earlier calls, by candidate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgeproof.client.summary import NETWORK, PROTOCOLS, as_before
from edgeproof.documents.latency import LatencySummary, ProcessUse, Served
from edgeproof.documents.load import UsePoint
from edgeproof.files import write_bytes
from edgeproof.measure.machine import read_machine
from edgeproof.measure.statistics import cold_start, steady
from edgeproof.phases.proving.driving import RAW_FOLDER
from edgeproof.phases.proving.taken import CODEC, Taken
from edgeproof.rundir import RunDir

__all__ = ["merged"]

TRANSPORT = "HTTP/1.1 over one keep-alive TCP connection, loopback"
NOT_MEASURED = {"energy": "no power meter is read in this phase", "network": NETWORK}


def merged(run: RunDir, taken: Sequence[Taken], threads: int) -> LatencySummary:
    """The document with these candidates in it, and everything that could not be measured."""
    before = run.read_if_there(LatencySummary)
    served = {earlier.candidate: earlier for earlier in before.served} if before else {}
    missing = dict(before.not_measured) if before else dict(NOT_MEASURED)
    for candidate in taken:
        missing.pop(candidate.candidate, None)
        if candidate.failure is None and candidate.reports:
            served[candidate.candidate] = _served(run, candidate, threads)
        else:
            served.pop(candidate.candidate, None)
            missing[candidate.candidate] = candidate.failure or candidate.partial or "it was not driven"
        missing.update(candidate.missing)
    if any(proof.networks for proof in served.values()):
        missing.pop("network", None)
    machine = read_machine()
    if machine.temperature_c is None:
        missing["temperature"] = "the system shows no temperature sensor"
    return LatencySummary(
        model=run.manifest().options.model_name,
        url=None,
        machine=machine,
        protocol=PROTOCOLS[CODEC],
        transport=TRANSPORT,
        served=tuple(served.values()),
        not_measured=missing,
    )


def _served(run: RunDir, taken: Taken, threads: int) -> Served:
    reports = taken.reports
    warmup = sum(report.warmup for report in reports)
    latency = [value for report in reports for value in report.latency_us]
    inference = [value for report in reports for value in report.inference_us]
    raw, raw_server = f"{RAW_FOLDER}/{taken.candidate}.json", f"{RAW_FOLDER}/{taken.candidate}-server.json"
    write_bytes(run.path(raw), msgspec.json.encode(latency))
    write_bytes(run.path(raw_server), msgspec.json.encode(inference))
    return Served(
        candidate=taken.candidate,
        artifact=_named(run, taken.artifact),
        requests=sum(report.requests for report in reports),
        errors=sum(report.errors for report in reports),
        first_error=next((report.first_error for report in reports if report.first_error), None),
        cold_start=cold_start(taken.exec_to_first_ms, taken.load_ms, taken.first_inference_us),
        cold_starts_note=taken.cold_starts_note,
        first_request_us=tuple(round(value, 3) for value in taken.first_request_us),
        steady=steady(latency, warmup=warmup, raw=raw),
        server_inference=steady(inference, warmup=warmup, raw=raw_server) if inference else None,
        server=_together([report.server for report in reports if report.server is not None]),
        body_bytes=reports[0].body_bytes,
        threads=threads,
        client_cpus=reports[0].client_cpus,
        server_cpus=reports[0].server_cpus,
        degraded=next((report.degraded for report in reports if report.degraded), None),
        load=reports[0].load,
        retries=sum(report.retries for report in reports),
        sent_bytes=sum(report.sent_bytes for report in reports),
        received_bytes=sum(report.received_bytes for report in reports),
        use_over_time=_over_time([report.use_over_time for report in reports], [report.seconds for report in reports]),
        capacity=taken.capacity,
        as_before=as_before(taken.exec_to_first_ms, latency, cold_start_included=True),
        networks=tuple(taken.networks),
        partial=taken.partial,
    )


def _over_time(rounds: Sequence[Sequence[UsePoint]], seconds: Sequence[float]) -> tuple[UsePoint, ...]:
    """Points of all rounds, on a clock that stands between them."""
    points: list[UsePoint] = []
    began = 0.0
    for seen, took in zip(rounds, seconds, strict=True):
        points += [msgspec.structs.replace(point, seconds=round(began + point.seconds, 3)) for point in seen]
        began += took
    return tuple(points)


def _together(uses: Sequence[ProcessUse]) -> ProcessUse:
    """Mean processor use of the rounds, highest peak memory."""
    percents = [use.cpu_percent for use in uses if use.cpu_percent is not None]
    peaks = [use.peak_memory_bytes for use in uses if use.peak_memory_bytes is not None]
    return ProcessUse(
        cpu_percent=round(sum(percents) / len(percents), 1) if percents else None,
        peak_memory_bytes=max(peaks, default=None),
    )


def _named(run: RunDir, artifact: Path) -> str:
    try:
        return run.relative(artifact)
    except ValueError:
        return str(artifact)
