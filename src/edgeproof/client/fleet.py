"""Phones over several processes: started, warmed up, released at one time, watched, stopped, and brought together."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeproof.client.calling import INTERRUPTED
from edgeproof.client.crowd import Job, encode_job
from edgeproof.client.drive import Drive
from edgeproof.client.lines import open_line
from edgeproof.client.report import ClientReport, merged
from edgeproof.client.target import model_of, server_processes
from edgeproof.documents.base import decode
from edgeproof.documents.load import Load
from edgeproof.errors import DocumentError, EdgeProofError, ServingError, UsageError
from edgeproof.measure.usage import UsageOverTime
from edgeproof.process import Child, Limits, module_command
from edgeproof.scratch import scratch_folder
from edgeproof.serve.access import read_token

__all__ = ["PHONES_A_PROCESS", "STRAIGHT", "Way", "drive_fleet"]

PHONES_A_PROCESS = 4
"""More take the interpreter from each other; fewer gain nothing and cost a process each (``benchmarks/phones.py``)."""
HEAD_START_NS = 20_000_000
"""From the release to the first request, so that every process has heard of it."""
GRACE_S = 8.0


@dataclass(frozen=True)
class Way:
    """Where phones get in.

    Attributes:
        through: ``(host, port)`` that stands for the server, such as a relay's; None: the server itself.
        namespaces: the process whose network each phone is in; empty: this one's.
    """

    through: tuple[str, int] | None = None
    namespaces: tuple[int, ...] = ()


STRAIGHT = Way()


def drive_fleet(
    url: str,
    how: Drive,
    phones: int,
    way: Way = STRAIGHT,
    *,
    kept: Callable[[ClientReport], None] | None = None,
) -> ClientReport:
    """Drive a server with several phones, each on a connection of its own.

    Args:
        url: ``http://host:port``.
        how: all phones' requests together.
        phones: how many.
        way: where they get in.
        kept: takes what was measured when it is interrupted, before the interruption is raised.

    Raises:
        ServingError: not reachable, the model unknown, gone in the middle, or every request failed.
        UsageError: a number is out of range, the samples do not fit, or there is no token.
        KeyboardInterrupt: it was interrupted.
    """
    how.check()
    if phones < 1:
        raise UsageError(f"{phones} phones cannot call: expected at least 1")
    token = None if how.token_file is None else read_token(how.token_file)
    with open_line(url, timeout_s=how.timeout_s, token=token) as connection:
        server, _ = model_of(connection, how.name)
        pids = server_processes(server) if connection.local else ()
    shares = _shares(phones, PHONES_A_PROCESS)
    load = how.load(phones, len(shares))
    with scratch_folder("phones") as folder, contextlib.ExitStack() as stack:
        crowds = []
        first = 0
        for share in shares:
            out = folder / f"{first}.json"
            spaces = way.namespaces[first : first + share]
            job = Job(url, how, str(out), share, first, phones, way.through, spaces)
            crowds.append(stack.enter_context(_Started(job, out)))
            first += share
        for crowd in crowds:
            crowd.warm()
        usage = UsageOverTime(pids, own_thread=True) if pids else None
        try:
            with usage or contextlib.nullcontext():
                begin_ns = time.monotonic_ns() + HEAD_START_NS
                for crowd in crowds:
                    crowd.release(begin_ns)
                reports = [crowd.report(how) for crowd in crowds]
        except KeyboardInterrupt:
            partial = [report for crowd in crowds if (report := crowd.stopped()) is not None and report.latency_us]
            if kept is not None and partial:
                kept(_whole(partial, load, usage, INTERRUPTED))
            raise
    report = _whole(reports, load, usage, None)
    if not report.latency_us:
        raise ServingError(f"all {report.requests} requests failed; the first: {report.first_error}")
    return report


def _whole(
    reports: Sequence[ClientReport], load: Load, usage: UsageOverTime | None, partial: str | None
) -> ClientReport:
    report = merged(reports, load)
    seen = {} if usage is None else {"server": usage.use(), "use_over_time": usage.points()}
    return msgspec.structs.replace(report, partial=partial or report.partial, **seen)


def _shares(phones: int, most: int) -> list[int]:
    """Phones of each process, as even as can be."""
    processes = -(-phones // most)
    return [phones // processes + (index < phones % processes) for index in range(processes)]


class _Started:
    """One process of phones, while the block runs."""

    def __init__(self, job: Job, out: Path) -> None:
        self._job, self._out = job, out

    def __enter__(self) -> _Started:
        self._child = Child(module_command("edgeproof.client.crowd"), talks=True)
        self._write(encode_job(self._job))
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close()

    def warm(self) -> None:
        """Wait until its phones are."""
        if self._child.stdout.readline().strip() != b"warm":
            raise self._failed()

    def release(self, begin_ns: int) -> None:
        """Have it begin."""
        self._write(f"{begin_ns}\n".encode())

    def report(self, how: Drive) -> ClientReport:
        """What it saw, when it is over."""
        limit_s = 60 + (how.seconds or how.requests * how.timeout_s)
        ended = self._child.wait(Limits(seconds=limit_s, wall_seconds=limit_s))
        if ended.stopped is not None:
            raise ServingError(f"the client {ended}")
        if ended.code != 0:
            raise self._failed()
        return decode(self._out.read_bytes(), ClientReport)

    def stopped(self) -> ClientReport | None:
        """Stop it, and what it had seen by then."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child.pid, signal.SIGTERM)
        ended = self._child.wait(Limits(seconds=GRACE_S, wall_seconds=GRACE_S))
        try:
            return decode(self._out.read_bytes(), ClientReport) if ended.code == 0 else None
        except (OSError, DocumentError):
            return None

    def _write(self, line: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write(line)
            self._child.stdin.flush()

    def _failed(self) -> EdgeProofError:
        ended = self._child.wait(Limits(seconds=GRACE_S, wall_seconds=GRACE_S))
        kind = UsageError if ended.code == UsageError.exit_code else ServingError
        said = ended.said.removeprefix("error: ") if ended.code > 0 and ended.said else f"the client {ended}"
        return kind(said)
