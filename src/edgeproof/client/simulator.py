"""The mobile-client simulator: one client on one keep-alive connection, a process of its own.

    python -m edgeproof.client.simulator http://127.0.0.1:8080 --requests 100 --out client.json

Closed loop by default: the next request goes when the last was answered. With ``--rate`` requests have intended send
times, and latency counts from those (no coordinated omission). Bodies are encoded before the clock runs; answers are
parsed in full.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar
from urllib.parse import quote

import msgspec

from edgeproof.child import child_main
from edgeproof.client.connection import Connection, Reply
from edgeproof.documents.base import Document, encode
from edgeproof.documents.latency import ProcessUse
from edgeproof.documents.parsing import parse_json
from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import ServingError, UsageError
from edgeproof.files import write_bytes
from edgeproof.measure.latency import Schedule, Settings, time_calls
from edgeproof.measure.machine import usable_cpus
from edgeproof.measure.process import ProcessSampler
from edgeproof.model.samples import Call, calls_of, read_calls, synthetic_samples
from edgeproof.serve.access import read_token
from edgeproof.serve.messages import InferResponse, ModelMetadata, ServerMetadata
from edgeproof.serve.protocol import encode_request, specs_of

__all__ = ["ClientReport", "Drive", "drive", "main", "model_of"]

M = TypeVar("M")

RANDOM_SAMPLES = 16
SEED = 0


class ClientReport(Document, frozen=True, kw_only=True):
    """What one client saw. Raw values in order; requests that failed are in ``errors`` and not in the latencies."""

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


def model_of(connection: Connection, name: str | None) -> tuple[ServerMetadata, ModelMetadata]:
    """The server's and the model's metadata; without a name, of the only model it serves.

    Raises:
        ServingError: not reachable, the model is unknown, or what it says is not the protocol.
        UsageError: a name is needed.
    """
    server = _parsed(connection.request("GET", "/v2"), ServerMetadata, "/v2", connection.url)
    if name is None:
        if len(server.models) != 1:
            known = ", ".join(server.models) or "none that it tells"
            raise UsageError(f"the server at {connection.url} serves {known}", hint="name one with --name")
        name = server.models[0]
    path = f"/v2/models/{quote(name, safe='')}"
    reply = connection.request("GET", path)
    if reply.status == 404:
        known = f"; it serves {', '.join(server.models)}" if server.models else ""
        raise ServingError(f"the server at {connection.url} has no model {name!r}{known}")
    return server, _parsed(reply, ModelMetadata, path, connection.url)


@dataclass(frozen=True)
class Drive:
    """How a server is driven.

    Attributes:
        name: the model, or None for the only one.
        requests: measured requests.
        warmup: requests before them, closed loop.
        rate_per_s: intended requests a second, or None for a closed loop.
        samples: npz or folder of inputs; None draws seeded random ones from the model's metadata.
        timeout_s: for one answer.
        token_file: the file with the token that the server asks for.
    """

    name: str | None = None
    requests: int = 100
    warmup: int = 10
    rate_per_s: float | None = None
    samples: Path | None = None
    timeout_s: float = 30.0
    token_file: Path | None = None

    def words(self) -> list[str]:
        """As words of the simulator's command line."""
        words = ["--requests", str(self.requests), "--warmup", str(self.warmup), "--timeout", f"{self.timeout_s:g}"]
        words += ["--name", self.name] if self.name is not None else []
        words += ["--rate", f"{self.rate_per_s:g}"] if self.rate_per_s is not None else []
        words += ["--token-file", str(self.token_file)] if self.token_file is not None else []
        return words + (["--samples", str(self.samples)] if self.samples is not None else [])


def drive(url: str, how: Drive) -> ClientReport:
    """Send requests and keep the latency of each.

    Args:
        url: ``http://host:port``.
        how: with what, how many, how fast.

    Raises:
        ServingError: not reachable, the model unknown, gone in the middle, or every request failed.
        UsageError: a name is needed, a number is out of range, the samples do not fit, or there is no token.
    """
    if how.requests < 1 or how.warmup < 0 or (how.rate_per_s is not None and how.rate_per_s <= 0):
        raise UsageError("expected at least 1 request, 0 or more warm-up requests, and a rate above 0")
    token = None if how.token_file is None else read_token(how.token_file)
    with Connection(url, timeout_s=how.timeout_s, token=token) as connection:
        server, model = model_of(connection, how.name)
        wire = _encoded(connection, model.name, _calls(how.samples, specs_of(model.inputs)))
        tally = _Tally()
        for index in range(how.warmup):
            _exchange(connection, wire[index % len(wire)], _Tally())
        sampler = ProcessSampler(server.pid) if server.pid and connection.local else None
        timed = time_calls(
            lambda request: _exchange(connection, request, tally),
            wire,
            Settings(count=how.requests),
            schedule=Schedule(how.rate_per_s),
            around=sampler,
        )
    if not timed.values_us:
        raise ServingError(f"all {how.requests} requests failed; the first: {tally.first_error}")
    return ClientReport(
        url=connection.url,
        model=model.name,
        platform=model.platform,
        requests=how.requests,
        warmup=how.warmup,
        rate_per_s=how.rate_per_s,
        latency_us=tuple(timed.values_us),
        inference_us=tuple(tally.inference_us),
        errors=tally.errors,
        first_error=tally.first_error,
        non_finite=tally.non_finite,
        body_bytes=len(wire[0].partition(b"\r\n\r\n")[2]),
        seconds=timed.seconds,
        client_cpus=usable_cpus(),
        server_cpus=tuple(server.cpus),
        server=sampler.use() if sampler else None,
        threads=server.threads,
        degraded=tally.degraded or server.degraded,
    )


class _Tally:
    def __init__(self) -> None:
        self.inference_us: list[float] = []
        self.errors = 0
        self.first_error: str | None = None
        self.non_finite = 0
        self.degraded: str | None = None

    def fail(self, reason: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or reason


_responses = msgspec.json.Decoder(InferResponse)


def _exchange(connection: Connection, request: bytes, tally: _Tally) -> bool:
    """One request and its parsed answer. A lost connection is an error, and the next request opens another.

    Raises:
        ServingError: nobody listens there any more.
    """
    try:
        reply = connection.send(request)
    except ServingError as error:
        tally.fail(error.message)
        connection.connect()
        return False
    if reply.status != 200:
        tally.fail(f"HTTP {reply.status}: {_message(reply)}")
        return False
    try:
        response = _responses.decode(reply.body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        tally.fail(f"the answer is not the protocol's: {error}")
        return False
    told = response.parameters or {}
    if "degraded" in told:
        tally.degraded = str(told["degraded"])
    spent = told.get("inference_us")
    if isinstance(spent, int | float):
        tally.inference_us.append(float(spent))
    for output in response.outputs:
        non_finite = (output.parameters or {}).get("non_finite", 0)
        tally.non_finite += non_finite if isinstance(non_finite, int) else 0
    return True


def _calls(samples: Path | None, specs: Sequence[TensorSpec]) -> list[Call]:
    if samples is not None:
        return read_calls(samples, specs)
    return calls_of(synthetic_samples(specs, RANDOM_SAMPLES, SEED, below=2))


def _encoded(connection: Connection, model: str, calls: Sequence[Call]) -> list[bytes]:
    path = f"/v2/models/{quote(model, safe='')}/infer"
    return [connection.encode("POST", path, encode_request(call)) for call in calls]


def _parsed(reply: Reply, kind: type[M], path: str, url: str) -> M:
    if reply.status != 200:
        raise ServingError(f"{url}{path} answered HTTP {reply.status}: {_message(reply)}")
    try:
        return parse_json(reply.body, kind)
    except msgspec.MsgspecError as error:
        raise ServingError(
            f"{url}{path} does not speak the Open Inference Protocol: {error}", hint="is it another service's port?"
        ) from error


def _message(reply: Reply) -> str:
    try:
        return str(parse_json(reply.body)["error"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return reply.body[:200].decode(errors="replace")


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive a server and write the report. Wrong use exits 2.

    Raises:
        EdgeProofError: as ``drive``.
    """
    parser = argparse.ArgumentParser(
        prog="python -m edgeproof.client.simulator", description="Drive a server as one client and keep every latency."
    )
    parser.add_argument("url", help="http://host:port")
    parser.add_argument("--name", help="the model (default: the only one)")
    parser.add_argument("--requests", type=int, default=100, help="measured requests (default 100)")
    parser.add_argument("--warmup", type=int, default=10, help="requests before them (default 10)")
    parser.add_argument("--rate", type=float, help="intended requests a second (default: closed loop)")
    parser.add_argument("--samples", type=Path, metavar="NPZ", help="inputs (default: seeded random ones)")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for one answer (default 30)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="the token that the server asks for")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report here instead of to stdout")
    options = parser.parse_args(arguments)
    how = Drive(
        name=options.name,
        requests=options.requests,
        warmup=options.warmup,
        rate_per_s=options.rate,
        samples=options.samples,
        timeout_s=options.timeout,
        token_file=options.token_file,
    )
    report = drive(options.url, how)
    if options.out:
        write_bytes(options.out, encode(report))
    else:
        sys.stdout.buffer.write(encode(report))
    return 0


if __name__ == "__main__":
    child_main(main)
