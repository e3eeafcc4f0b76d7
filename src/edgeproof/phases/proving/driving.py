"""The steady state of servers that are warm: driven in turns by one phone, then over networks, then to their capacity.

Nothing else runs meanwhile: while one server is driven the others wait for requests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeproof.client.capacity import Search, find_capacity
from edgeproof.client.connection import Connection
from edgeproof.client.fleet import drive_fleet
from edgeproof.client.network import profile_of
from edgeproof.client.report import ClientReport
from edgeproof.client.shaping.link import shaped
from edgeproof.client.simulator import Drive
from edgeproof.client.summary import over_network
from edgeproof.documents.base import decode, write_document
from edgeproof.documents.latency import Capacity
from edgeproof.documents.load import NetworkProfile
from edgeproof.errors import EdgeProofError, ServingError
from edgeproof.phases.proving.taken import CODEC, Proof, Taken
from edgeproof.process import Child, Ended, Limits, module_command
from edgeproof.rundir import RunDir
from edgeproof.scratch import scratch_folder

__all__ = [
    "CAPACITY_PHONES",
    "RAW_FOLDER",
    "WARMUP",
    "drive_over_networks",
    "drive_steady",
    "search_capacity",
    "simulated",
]

RAW_FOLDER = "phase2_raw"
WARMUP = 20
NETWORK_WARMUP = 2
CAPACITY_PHONES = 4
STEP_LIMIT_S = 30.0
TOLERANCE = 0.1
UNLIMITED = 10**9
GRACE_S = 5.0
ROUNDS = 4
"""Turns that each candidate takes when there are several."""
Report = Callable[[str], None]


def drive_steady(taken: Sequence[Taken], samples: Path, proof: Proof, report: Report) -> None:
    """All servers stand at the same time; the client visits them in turn, in rotating order."""
    rounds = 1 if len(taken) == 1 else ROUNDS
    share = math.ceil(proof.requests / rounds)
    how = Drive(requests=share, warmup=WARMUP, samples=samples, timeout_s=proof.timeout_s, codec=CODEC)
    for index in range(rounds):
        turn = index % len(taken)
        for candidate in [*taken[turn:], *taken[:turn]]:
            if candidate.failure is None:
                report(f"{candidate.candidate}: {share} requests, round {index + 1} of {rounds}")
                assert candidate.server is not None
                seen = candidate.reports
                try:
                    seen.append(simulated(candidate.server.ready.url, how, seen.append))
                except EdgeProofError as error:
                    candidate.failure = str(error)


def drive_over_networks(run: RunDir, taken: Taken, samples: Path, proof: Proof, report: Report) -> None:
    """One phone over each network that was asked for. A network that fails is told, and costs itself."""
    for name in proof.networks:
        report(f"{taken.candidate}: {proof.requests} requests over {name}")
        try:
            _over_network(run, taken, profile_of(name), samples, proof)
        except EdgeProofError as error:
            taken.missing[f"{taken.candidate} over {name}"] = str(error)
            report(f"warning: {taken.candidate} over {name}: {error}")


def _over_network(run: RunDir, taken: Taken, profile: NetworkProfile, samples: Path, proof: Proof) -> None:
    assert taken.server is not None
    url = taken.server.ready.url
    how = Drive(requests=proof.requests, warmup=NETWORK_WARMUP, samples=samples, timeout_s=proof.timeout_s, codec=CODEC)
    raw = f"{RAW_FOLDER}/{taken.candidate}-{profile.name}.json"
    with shaped(profile, Connection(url).server, 1) as link:

        def take(driven: ClientReport) -> None:
            write_document(run.path(raw), driven)
            taken.networks.append(over_network(profile, link.shaping, driven, raw=raw))

        take(drive_fleet(url, how, 1, link.way, kept=take))


def search_capacity(taken: Taken, samples: Path, proof: Proof, report: Report) -> None:
    """The highest rate that holds the bound, from half of what one phone in a closed loop reached."""
    assert taken.server is not None
    assert proof.bound is not None
    url, first = taken.server.ready.url, taken.reports[0]

    def trial(rate_per_s: float, seconds: float) -> ClientReport:
        how = Drive(
            requests=UNLIMITED,
            warmup=WARMUP,
            samples=samples,
            timeout_s=proof.timeout_s,
            seconds=seconds,
            rate_per_s=rate_per_s,
            poisson_seed=0,
            codec=CODEC,
        )
        return drive_fleet(url, how, CAPACITY_PHONES)

    def take(capacity: Capacity) -> None:
        taken.capacity = capacity

    start = max(1.0, 0.5 * len(first.latency_us) / first.seconds)
    search = Search(proof.bound, start, TOLERANCE, STEP_LIMIT_S)
    try:
        take(
            find_capacity(
                trial,
                search,
                phones=CAPACITY_PHONES,
                report=lambda line: report(f"{taken.candidate}: {line}"),
                kept=take,
            )
        )
    except EdgeProofError as error:
        taken.missing[f"capacity of {taken.candidate}"] = str(error)
        report(f"warning: {taken.candidate}: no capacity: {error}")


def simulated(url: str, how: Drive, kept: Callable[[ClientReport], None] = lambda _report: None) -> ClientReport:
    """One run of the client simulator in its own process.

    Args:
        url: of the server.
        how: what it does.
        kept: takes what it had measured when it is interrupted, before the interruption is raised.

    Raises:
        ServingError: it failed.
        KeyboardInterrupt: it was interrupted.
    """
    limit_s = 60 + (how.requests + how.warmup) * how.timeout_s
    with scratch_folder("client") as folder:
        out = folder / "client.json"
        command = module_command("edgeproof.client.simulator", url, *how.words(), "--out", str(out))
        with Child(command) as client:
            try:
                ended = client.wait(Limits(seconds=limit_s, wall_seconds=limit_s))
            except KeyboardInterrupt:
                client.stop(grace_s=GRACE_S)
                if out.exists():
                    kept(decode(out.read_bytes(), ClientReport))
                raise
        if ended.stopped is not None or ended.code != 0:
            raise ServingError(_why(ended))
        return decode(out.read_bytes(), ClientReport)


def _why(ended: Ended) -> str:
    return ended.said.removeprefix("error: ") if ended.code > 0 and ended.said else f"the client {ended}"
