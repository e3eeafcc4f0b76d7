"""Phase 2, the local proof: each candidate behind the edge server, driven by the client simulator as another process.

Cold starts come from fresh server processes, the steady state from one that is warm; the two are never mixed. Several
candidates take turns, so that all of them see the same period of the machine.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import msgspec

from edgeproof.client.connection import Connection
from edgeproof.client.simulator import ClientReport
from edgeproof.client.summary import PROTOCOL
from edgeproof.documents.base import decode
from edgeproof.documents.latency import LatencySummary, ProcessUse, Served
from edgeproof.documents.samples import SamplesDocument
from edgeproof.errors import EdgeProofError, ServingError
from edgeproof.measure.feeds import load_feeds
from edgeproof.measure.machine import read_machine
from edgeproof.measure.statistics import cold_start, steady
from edgeproof.rundir import RunDir, write_bytes
from edgeproof.serve.messages import InferResponse
from edgeproof.serve.protocol import encode_request
from edgeproof.serve.spawned import SpawnedServer

__all__ = ["SUMMARY", "prove_local"]

SUMMARY = "phase2_latency_summary.json"
SAMPLES = "phase1_samples.json"
RAW_FOLDER = "phase2_raw"
WARMUP = 20
ROUNDS = 4
"""Turns that each candidate takes when there are several."""
TRANSPORT = "HTTP/1.1 over one keep-alive TCP connection, loopback"
NOT_MEASURED = {
    "energy": "no power meter is read in this phase",
    "network": "client and server ran on one machine: a radio link adds its own time to every request",
}


@dataclass
class _Taken:
    """What was measured of one candidate so far."""

    candidate: str
    artifact: Path
    exec_to_first_ms: list[float] = field(default_factory=list)
    load_ms: list[float] = field(default_factory=list)
    first_inference_us: list[float] = field(default_factory=list)
    reports: list[ClientReport] = field(default_factory=list)
    failure: str | None = None


def prove_local(
    run: RunDir,
    candidates: Sequence[tuple[str, Path]],
    *,
    requests: int = 100,
    cold_starts: int = 5,
    threads: int = 1,
    timeout_s: float = 120.0,
    report: Callable[[str], None] = lambda _line: None,
) -> LatencySummary:
    """Serve and drive the candidates, and write ``phase2_latency_summary.json`` with its raw files.

    What an earlier call measured of other candidates is kept. A candidate that fails stands in ``not_measured`` with
    the reason.

    Args:
        run: the run; its held-out samples are the requests.
        candidates: name and artifact of each.
        requests: measured requests per candidate, at least.
        cold_starts: fresh server processes per candidate.
        threads: of the runtime.
        timeout_s: for a server to be ready, and for one answer.
        report: takes a line of progress.

    Raises:
        ServingError: no candidate could be served.
    """
    if not candidates:
        raise ServingError("there is no candidate to serve")
    document = run.read(SAMPLES, SamplesDocument)
    samples = run.path(document.held_out.file)
    body = encode_request(load_feeds(samples, document.signature.inputs, limit=1)[0])
    taken = [_Taken(name, artifact) for name, artifact in candidates]
    for index in range(cold_starts):
        for one in taken:
            if one.failure is None:
                report(f"{one.candidate}: cold start {index + 1} of {cold_starts}")
                _start_cold(one, body, threads, timeout_s)
    _drive_steady(taken, samples, requests=requests, threads=threads, timeout_s=timeout_s, report=report)
    if not any(one.reports for one in taken):
        raise ServingError("; ".join(f"{one.candidate}: {one.failure}" for one in taken))
    summary = _merged(run, taken, threads)
    run.write(SUMMARY, summary)
    return summary


def _start_cold(one: _Taken, body: bytes, threads: int, timeout_s: float) -> None:
    """One fresh process: exec to the first answer, parsed, over HTTP."""
    try:
        with SpawnedServer(one.artifact, threads=threads, timeout_s=timeout_s) as server:
            with Connection(server.ready.url, timeout_s=timeout_s) as connection:
                reply = connection.request("POST", f"/v2/models/{quote(server.ready.model, safe='')}/infer", body)
            if reply.status != 200:
                raise ServingError(f"the first request got HTTP {reply.status}: {reply.body[:300].decode()}")
            response = msgspec.json.decode(reply.body, type=InferResponse)
            answered = time.monotonic_ns()
    except EdgeProofError as error:
        one.failure = str(error)
        return
    one.exec_to_first_ms.append((answered - server.spawned_monotonic_ns) / 1e6)
    one.load_ms.append(server.ready.load_ms)
    one.first_inference_us.append(float((response.parameters or {}).get("inference_us", 0.0)))


def _drive_steady(
    taken: Sequence[_Taken],
    samples: Path,
    *,
    requests: int,
    threads: int,
    timeout_s: float,
    report: Callable[[str], None],
) -> None:
    """All servers stand at the same time; the client visits them in turn, in rotating order."""
    rounds = 1 if len(taken) == 1 else ROUNDS
    share = math.ceil(requests / rounds)
    with ExitStack() as stack:
        servers: dict[str, SpawnedServer] = {}
        for one in taken:
            if one.failure is None:
                try:
                    server = SpawnedServer(one.artifact, threads=threads, timeout_s=timeout_s)
                    servers[one.candidate] = stack.enter_context(server)
                except EdgeProofError as error:
                    one.failure = str(error)
        for index in range(rounds):
            turn = index % len(taken)
            for one in [*taken[turn:], *taken[:turn]]:
                if one.failure is None:
                    report(f"{one.candidate}: {share} requests, round {index + 1} of {rounds}")
                    try:
                        one.reports.append(_simulate(servers[one.candidate].ready.url, samples, share, timeout_s))
                    except EdgeProofError as error:
                        one.failure = str(error)


def _simulate(url: str, samples: Path, requests: int, timeout_s: float) -> ClientReport:
    """One run of the client simulator in its own process."""
    with tempfile.TemporaryDirectory(prefix="edgeproof-client-") as folder:
        out = Path(folder) / "client.json"
        command = [
            sys.executable,
            "-m",
            "edgeproof.client.simulator",
            url,
            "--out",
            str(out),
            "--samples",
            str(samples),
        ]
        command += ["--requests", str(requests), "--warmup", str(WARMUP), "--timeout", str(timeout_s)]
        limit_s = 60 + (requests + WARMUP) * timeout_s
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
        except subprocess.TimeoutExpired as error:
            raise ServingError(f"the client was not done after {limit_s:g} s") from error
        if done.returncode != 0:
            raise ServingError(
                done.stderr.strip().removeprefix("error: ") or f"the client ended with {done.returncode}"
            )
        return decode(out.read_bytes(), ClientReport)


def _merged(run: RunDir, taken: Sequence[_Taken], threads: int) -> LatencySummary:
    """The new figures among those of earlier calls, by candidate, and everything that could not be measured."""
    before = run.read_if_there(SUMMARY, LatencySummary)
    served = {one.candidate: one for one in before.served} if before else {}
    missing = dict(before.not_measured) if before else dict(NOT_MEASURED)
    for one in taken:
        missing.pop(one.candidate, None)
        if one.failure is None:
            served[one.candidate] = _served(run, one, threads)
        else:
            served.pop(one.candidate, None)
            missing[one.candidate] = one.failure
    machine = read_machine()
    if machine.temperature_c is None:
        missing["temperature"] = "the system shows no temperature sensor"
    return LatencySummary(
        model=run.manifest().options.model_name,
        url=None,
        machine=machine,
        protocol=PROTOCOL,
        transport=TRANSPORT,
        served=tuple(served.values()),
        not_measured=missing,
    )


def _served(run: RunDir, one: _Taken, threads: int) -> Served:
    reports = one.reports
    warmup = sum(report.warmup for report in reports)
    latency = [value for report in reports for value in report.latency_us]
    inference = [value for report in reports for value in report.inference_us]
    raw, raw_server = f"{RAW_FOLDER}/{one.candidate}.json", f"{RAW_FOLDER}/{one.candidate}-server.json"
    write_bytes(run.path(raw), msgspec.json.encode(latency))
    write_bytes(run.path(raw_server), msgspec.json.encode(inference))
    uses = [report.server for report in reports if report.server is not None]
    return Served(
        candidate=one.candidate,
        artifact=_named(run, one.artifact),
        requests=sum(report.requests for report in reports),
        errors=sum(report.errors for report in reports),
        cold_start=cold_start(one.exec_to_first_ms, one.load_ms, one.first_inference_us),
        steady=steady(latency, warmup=warmup, raw=raw),
        server_inference=steady(inference, warmup=warmup, raw=raw_server) if inference else None,
        server=_together(uses),
        body_bytes=reports[0].body_bytes,
        threads=threads,
        client_cpus=reports[0].client_cpus,
        server_cpus=reports[0].server_cpus,
    )


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
