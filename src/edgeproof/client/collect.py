"""Benchmarks in a row with the machine's state beside each: for watching a server over minutes or days."""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgeproof.client.simulator import Drive, drive
from edgeproof.client.summary import summarise
from edgeproof.documents.base import encode, write_document
from edgeproof.documents.latency import Served
from edgeproof.errors import ServingError, UsageError
from edgeproof.files import utc_now, write_bytes
from edgeproof.measure.machine import ROOT, governor, read_throttling, temperature_c

__all__ = ["COLUMNS", "collect", "main"]

COLUMNS = (
    *("time", "file", "requests", "errors", "median_us", "p50_us", "p90_us", "p95_us", "p99_us", "max_us"),
    *("inference_median_us", "server_cpu_percent", "server_peak_bytes"),
    *("temperature_c", "throttled_bits", "throttle_events", "governor", "load_1min", "failure"),
)


def collect(
    url: str,
    out: Path,
    how: Drive,
    *,
    repeats: int = 1,
    every_s: float = 0.0,
    root: Path = ROOT,
    report: Callable[[str], None] = lambda _line: None,
) -> Path:
    """Bench again and again; every run leaves ``raw/NNN.json``, ``NNN.json`` (the summary) and a row in ``log.csv``.

    Rows of an earlier collection in the same folder are kept; a bench that fails has its reason in its row. The
    machine's columns are of this machine, which is the server's only when it runs here.

    Args:
        url: ``http://host:port``.
        out: the folder.
        how: one bench.
        repeats: how many benches.
        every_s: seconds from the start of one to the start of the next.
        root: file system of the sensors.
        report: takes a line of progress.

    Raises:
        ServingError: every bench failed.
        UsageError: wrong numbers, or an unknown model.
    """
    if repeats < 1 or every_s < 0:
        raise UsageError("expected at least 1 repetition and 0 or more seconds between them")
    out.mkdir(parents=True, exist_ok=True)
    first = len(list(out.glob("raw/*.json"))) + 1
    begin = time.monotonic()
    failures: list[str] = []
    for index in range(repeats):
        time.sleep(max(0.0, begin + index * every_s - time.monotonic()))
        row: dict[str, Any] = {"time": utc_now(), **_machine(root)}
        try:
            seen = drive(url, how)
        except ServingError as error:
            failures.append(error.message)
            row["failure"] = error.message
        else:
            file = f"{first + index:03}.json"
            summary = summarise(seen, raw=f"raw/{file}")
            write_document(out / "raw" / file, seen)
            write_bytes(out / file, encode(summary))
            row.update(_figures(file, summary.served[0]))
        _append(out / "log.csv", row)
        report(f"{index + 1} of {repeats}: {row.get('failure') or str(row['median_us']) + ' µs'}")
    if len(failures) == repeats:
        raise ServingError(failures[0])
    return out / "log.csv"


def _machine(root: Path) -> dict[str, Any]:
    throttling = read_throttling(root)
    return {
        "temperature_c": temperature_c(root),
        "throttled_bits": None if throttling.raspberry_bits is None else hex(throttling.raspberry_bits),
        "throttle_events": throttling.events,
        "governor": governor(root),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def _figures(file: str, served: Served) -> dict[str, Any]:
    steady = served.steady
    inner = served.server_inference
    return {
        "file": file,
        "requests": served.requests,
        "errors": served.errors,
        "median_us": steady.median_us,
        **{f"{share}_us": getattr(steady, share).value_us for share in ("p50", "p90", "p95", "p99")},
        "max_us": steady.max_us,
        "inference_median_us": inner.median_us if inner else None,
        "server_cpu_percent": served.server.cpu_percent,
        "server_peak_bytes": served.server.peak_memory_bytes,
    }


def _append(path: Path, row: dict[str, Any]) -> None:
    """One line at the end of the CSV; what is None is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    if not path.exists():
        writer.writeheader()
    writer.writerow(row)
    with path.open("a", encoding="utf-8") as file:
        file.write(text.getvalue())


def main(arguments: Sequence[str] | None = None) -> int:
    """Collect from the command line. Wrong use exits 2.

    Raises:
        EdgeProofError: as ``collect``.
    """
    parser = argparse.ArgumentParser(description="Bench a server again and again, with the machine's state beside it.")
    parser.add_argument("url", help="http://host:port")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="log.csv, summaries and raw files")
    parser.add_argument("--name", help="the model (default: the only one)")
    parser.add_argument("--repeats", type=int, default=1, help="how many benches (default 1)")
    parser.add_argument("--every", type=float, default=0.0, metavar="S", help="seconds from one start to the next")
    parser.add_argument("--requests", type=int, default=100, help="requests per bench (default 100)")
    parser.add_argument("--rate", type=float, help="intended requests a second (default: closed loop)")
    parser.add_argument("--samples", type=Path, metavar="PATH", help="inputs (default: seeded random ones)")
    options = parser.parse_args(arguments)
    how = Drive(name=options.name, requests=options.requests, rate_per_s=options.rate, samples=options.samples)
    log = collect(
        options.url,
        options.out,
        how,
        repeats=options.repeats,
        every_s=options.every,
        report=lambda line: print(line, file=sys.stderr),
    )
    print(log)
    return 0
