"""Phase 2, the local proof: each candidate behind the edge server, driven by the client simulator as another process.

Cold starts come from fresh server processes, the steady state from one that is warm; the two are never mixed. Several
candidates take turns, so that all of them see the same period of the machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import msgspec

from edgeproof.client.connection import Connection
from edgeproof.client.simulator import ClientReport, Drive
from edgeproof.client.summary import PROTOCOL
from edgeproof.documents.base import decode
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.latency import LatencySummary, ProcessUse, Served
from edgeproof.documents.parsing import parse_json
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.validation import ValidationDocument
from edgeproof.errors import EdgeProofError, ServingError
from edgeproof.files import write_bytes
from edgeproof.measure.machine import read_machine
from edgeproof.measure.statistics import cold_start, steady
from edgeproof.model.samples import read_calls
from edgeproof.phases.convert import convert_sdk
from edgeproof.process import Child, Limits, module_command
from edgeproof.rundir import RunDir
from edgeproof.scratch import scratch_folder
from edgeproof.serve.messages import InferResponse
from edgeproof.serve.protocol import encode_request
from edgeproof.serve.spawned import SpawnedServer
from edgeproof.verdict.best import best_converted

__all__ = ["Proof", "prove_converted", "prove_local", "prove_sdk"]

RAW_FOLDER = "phase2_raw"
WARMUP = 20
Report = Callable[[str], None]
ROUNDS = 4
"""Turns that each candidate takes when there are several."""
TRANSPORT = "HTTP/1.1 over one keep-alive TCP connection, loopback"
NOT_MEASURED = {
    "energy": "no power meter is read in this phase",
    "network": "client and server ran on one machine: a radio link adds its own time to every request",
}


@dataclass(frozen=True)
class Proof:
    """How hard to prove a candidate.

    Attributes:
        requests: measured requests, at least.
        cold_starts: fresh server processes.
        threads: of the runtime.
        timeout_s: for a server to be ready, and for one answer.
        trust: whether artifacts that this user did not make may run code.
    """

    requests: int = 100
    cold_starts: int = 5
    threads: int = 1
    timeout_s: float = 120.0
    trust: bool = False

    def server(self, artifact: Path) -> SpawnedServer:
        """A server of an artifact, to be entered."""
        return SpawnedServer(artifact, threads=self.threads, timeout_s=self.timeout_s, trust=self.trust)


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


def prove_sdk(run: RunDir, report: Report = lambda _line: None) -> None:
    """Make PyTorch and our own engine, and serve each."""
    made = convert_sdk(run, report)
    if not made:
        report("no SDK candidate could be made: nothing to serve yet")
    for candidate in made:
        prove_local(run, [candidate], proof_of(run), report)


def prove_converted(run: RunDir, report: Report = lambda _line: None) -> None:
    """Serve the fastest on this host among the converted ones that passed."""
    best = best_converted(run.read(ConversionDocument), run.read(ValidationDocument), run.device("host"))
    if best is None:
        report("no converted artifact passed and ran here: nothing to serve")
        return
    candidate, artifact = best
    prove_local(run, [(candidate, run.path(artifact))], proof_of(run), report)


def proof_of(run: RunDir) -> Proof:
    """How hard the run asks to prove."""
    options = run.options()
    return Proof(requests=options.requests, cold_starts=options.cold_starts, trust=run.trust)


def prove_local(
    run: RunDir,
    candidates: Sequence[tuple[str, Path]],
    proof: Proof,
    report: Report = lambda _line: None,
) -> LatencySummary:
    """Serve and drive the candidates, and write ``phase2_latency_summary.json`` with its raw files.

    What an earlier call measured of other candidates is kept. A candidate that fails stands in ``not_measured`` with
    the reason.

    Args:
        run: the run; its held-out samples are the requests.
        candidates: name and artifact of each.
        proof: how hard.
        report: takes a line of progress.

    Raises:
        ServingError: no candidate could be served.
    """
    if not candidates:
        raise ServingError("there is no candidate to serve")
    document = run.read(SamplesDocument)
    samples = run.path(document.held_out.file)
    body = encode_request(read_calls(samples, document.signature.inputs, limit=1)[0])
    began = time.monotonic()
    taken = [_Taken(name, artifact) for name, artifact in candidates]
    for index in range(proof.cold_starts):
        for candidate in taken:
            if candidate.failure is None:
                report(f"{candidate.candidate}: cold start {index + 1} of {proof.cold_starts}")
                _start_cold(candidate, body, proof)
    _drive_steady(taken, samples, proof, report)
    if not any(candidate.reports for candidate in taken):
        raise ServingError("; ".join(f"{candidate.candidate}: {candidate.failure}" for candidate in taken))
    for candidate in taken:
        outcome = "served" if candidate.failure is None else "not served"
        report(f"{candidate.candidate}: {outcome} in {time.monotonic() - began:.1f} s")
    summary = _merged(run, taken, proof.threads)
    run.write(summary)
    return summary


def _start_cold(taken: _Taken, body: bytes, proof: Proof) -> None:
    """One fresh process: exec to the first answer, parsed, over HTTP."""
    try:
        with proof.server(taken.artifact) as server:
            with Connection(server.ready.url, timeout_s=proof.timeout_s) as connection:
                reply = connection.request("POST", f"/v2/models/{quote(server.ready.model, safe='')}/infer", body)
            if reply.status != 200:
                raise ServingError(f"the first request got HTTP {reply.status}: {reply.body[:300].decode()}")
            parse_json(reply.body, InferResponse)
            answered = time.monotonic_ns()
    except EdgeProofError as error:
        taken.failure = str(error)
        return
    taken.exec_to_first_ms.append((answered - server.spawned_monotonic_ns) / 1e6)
    taken.load_ms.append(server.ready.load_ms)
    if server.ready.first_inference_us is not None:
        taken.first_inference_us.append(server.ready.first_inference_us)


def _drive_steady(taken: Sequence[_Taken], samples: Path, proof: Proof, report: Report) -> None:
    """All servers stand at the same time; the client visits them in turn, in rotating order."""
    rounds = 1 if len(taken) == 1 else ROUNDS
    share = math.ceil(proof.requests / rounds)
    how = Drive(requests=share, warmup=WARMUP, samples=samples, timeout_s=proof.timeout_s)
    with ExitStack() as stack:
        servers: dict[str, SpawnedServer] = {}
        for candidate in taken:
            if candidate.failure is None:
                try:
                    servers[candidate.candidate] = stack.enter_context(proof.server(candidate.artifact))
                except EdgeProofError as error:
                    candidate.failure = str(error)
        for index in range(rounds):
            turn = index % len(taken)
            for candidate in [*taken[turn:], *taken[:turn]]:
                if candidate.failure is None:
                    report(f"{candidate.candidate}: {share} requests, round {index + 1} of {rounds}")
                    try:
                        candidate.reports.append(_simulated(servers[candidate.candidate].ready.url, how))
                    except EdgeProofError as error:
                        candidate.failure = str(error)


def _simulated(url: str, how: Drive) -> ClientReport:
    """One run of the client simulator in its own process."""
    limit_s = 60 + (how.requests + how.warmup) * how.timeout_s
    with scratch_folder("client") as folder:
        out = folder / "client.json"
        command = module_command("edgeproof.client.simulator", url, *how.words(), "--out", str(out))
        with Child(command) as client:
            ended = client.wait(Limits(seconds=limit_s, wall_seconds=limit_s))
        if ended.stopped is not None or ended.code != 0:
            raise ServingError(
                ended.said.removeprefix("error: ") if ended.code > 0 and ended.said else f"the client {ended}"
            )
        return decode(out.read_bytes(), ClientReport)


def _merged(run: RunDir, taken: Sequence[_Taken], threads: int) -> LatencySummary:
    """The new figures among those of earlier calls, by candidate, and everything that could not be measured."""
    before = run.read_if_there(LatencySummary)
    served = {earlier.candidate: earlier for earlier in before.served} if before else {}
    missing = dict(before.not_measured) if before else dict(NOT_MEASURED)
    for candidate in taken:
        missing.pop(candidate.candidate, None)
        if candidate.failure is None:
            served[candidate.candidate] = _served(run, candidate, threads)
        else:
            served.pop(candidate.candidate, None)
            missing[candidate.candidate] = candidate.failure
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


def _served(run: RunDir, taken: _Taken, threads: int) -> Served:
    reports = taken.reports
    warmup = sum(report.warmup for report in reports)
    latency = [value for report in reports for value in report.latency_us]
    inference = [value for report in reports for value in report.inference_us]
    raw, raw_server = f"{RAW_FOLDER}/{taken.candidate}.json", f"{RAW_FOLDER}/{taken.candidate}-server.json"
    write_bytes(run.path(raw), msgspec.json.encode(latency))
    write_bytes(run.path(raw_server), msgspec.json.encode(inference))
    uses = [report.server for report in reports if report.server is not None]
    return Served(
        candidate=taken.candidate,
        artifact=_named(run, taken.artifact),
        requests=sum(report.requests for report in reports),
        errors=sum(report.errors for report in reports),
        cold_start=cold_start(taken.exec_to_first_ms, taken.load_ms, taken.first_inference_us),
        steady=steady(latency, warmup=warmup, raw=raw),
        server_inference=steady(inference, warmup=warmup, raw=raw_server) if inference else None,
        server=_together(uses),
        body_bytes=reports[0].body_bytes,
        threads=threads,
        client_cpus=reports[0].client_cpus,
        server_cpus=reports[0].server_cpus,
        degraded=next((report.degraded for report in reports if report.degraded), None),
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
