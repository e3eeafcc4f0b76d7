"""The mobile-client simulator: one phone on one connection, a process of its own.

    python -m edgeproof.client.simulator http://127.0.0.1:8080 --requests 100 --out client.json

Closed loop by default: the next request goes when the last was answered. With ``--rate`` requests have intended send
times, and latency counts from those (no coordinated omission). Bodies are encoded before the clock runs; answers are
parsed in full. Many phones, and networks between: ``client/fleet.py``.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from edgeproof.child import child_main
from edgeproof.client.calling import Calling
from edgeproof.client.drive import Drive
from edgeproof.client.lines import open_line
from edgeproof.client.report import ClientReport
from edgeproof.client.target import server_processes, target_of
from edgeproof.client.wire import CODECS
from edgeproof.documents.base import encode
from edgeproof.errors import ServingError
from edgeproof.files import write_bytes
from edgeproof.measure.usage import UsageOverTime
from edgeproof.serve.access import read_token

__all__ = ["ClientReport", "Drive", "drive", "main"]


def drive(url: str, how: Drive, *, kept: Callable[[ClientReport], None] | None = None) -> ClientReport:
    """Send requests as one phone and keep the latency of each.

    Args:
        url: ``http://host:port``.
        how: with what, how many, how fast.
        kept: takes what was measured when it is interrupted, before the interruption is raised.

    Raises:
        ServingError: not reachable, the model unknown, gone in the middle, or every request failed.
        UsageError: a name is needed, a number is out of range, the samples do not fit, or there is no token.
        KeyboardInterrupt: it was interrupted.
    """
    how.check()
    token = None if how.token_file is None else read_token(how.token_file)
    with open_line(url, timeout_s=how.timeout_s, token=token) as connection:
        target = target_of(connection, how.name, how.samples, how.codec)
        pids = server_processes(target.server) if connection.local else ()
    with open_line(url, timeout_s=how.timeout_s, token=token, reuse=how.reuse) as line:
        calling = Calling(target, line, how)
        calling.warm_up()
        usage = UsageOverTime(pids) if pids else None

        def whole(report: ClientReport) -> ClientReport:
            if usage is None:
                return report
            return msgspec.structs.replace(report, server=usage.use(), use_over_time=usage.points())

        report = calling.measure(
            around=usage,
            beside=usage,
            kept=None if kept is None else lambda report: kept(whole(report)) if report.latency_us else None,
        )
    if not report.latency_us:
        raise ServingError(f"all {report.requests} requests failed; the first: {report.first_error}")
    return whole(report)


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive a server and write the report. Wrong use exits 2.

    Raises:
        EdgeProofError: as ``drive``.
    """
    parser = argparse.ArgumentParser(
        prog="python -m edgeproof.client.simulator", description="Drive a server as one phone and keep every latency."
    )
    parser.add_argument("url", help="http://host:port")
    parser.add_argument("--name", help="the model (default: the only one)")
    parser.add_argument("--requests", type=int, default=100, help="measured requests at most (default 100)")
    parser.add_argument("--answers", type=int, help="end after so many answers")
    parser.add_argument("--seconds", type=float, help="end after so many seconds")
    parser.add_argument("--warmup", type=int, default=10, help="requests before them (default 10)")
    parser.add_argument("--rate", type=float, help="intended requests a second (default: closed loop)")
    parser.add_argument("--poisson-seed", type=int, help="with a rate: exponential times between, from this seed")
    parser.add_argument("--pace", type=float, metavar="S", help="seconds between the beginnings of requests")
    parser.add_argument("--think", type=float, metavar="S", help="seconds after each answer")
    parser.add_argument("--samples", type=Path, metavar="NPZ", help="inputs (default: seeded random ones)")
    parser.add_argument("--codec", choices=CODECS, default="json", help="of requests and answers (default json)")
    parser.add_argument("--connection-per-request", action="store_true", help="open a connection for each")
    parser.add_argument("--retries", type=int, default=0, help="of a request without an answer (default 0)")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for one answer (default 30)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="the token that the server asks for")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report here instead of to stdout")
    options = parser.parse_args(arguments)
    how = Drive(
        name=options.name,
        requests=options.requests,
        answers=options.answers,
        seconds=options.seconds,
        warmup=options.warmup,
        rate_per_s=options.rate,
        poisson_seed=options.poisson_seed,
        pace_s=options.pace,
        think_s=options.think,
        samples=options.samples,
        codec=options.codec,
        reuse=not options.connection_per_request,
        retries=options.retries,
        timeout_s=options.timeout,
        token_file=options.token_file,
    )

    def write(report: ClientReport) -> None:
        if options.out:
            write_bytes(options.out, encode(report))
        else:
            sys.stdout.buffer.write(encode(report))

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        write(drive(options.url, how, kept=write))
    except KeyboardInterrupt:
        print("stopped; what was measured is kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    child_main(main)
