#!/usr/bin/env python3
"""The edge server for minutes at 70 % of its capacity, while others send what is wrong, leave, or do not read.

A request of the good client that is not answered, or not rightly, is a failure; so is memory that grows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil
from artifacts import make, tell
from asked import Asked, Socket, free_port, ours
from soak_good import Good, good_requests

from edgeproof.measure import statistics as rules
from edgeproof.process import environment
from edgeproof.report.columns import Notes
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.markdown import table
from edgeproof.report.quantities import significant

__all__ = ["Soaked", "soak"]

EXAMPLE = "examples/digits_snn.py"
SECONDS = 600.0
SHARE = 0.7
CAPACITY_SECONDS = 5.0
CONNECTIONS = 8
MALFORMED_SHARE = 0.01
FLAT_BYTES = 2 << 20
MIB = 1 << 20
SEED = 7


@dataclass(frozen=True)
class Soaked:
    """What it came to. Latencies in µs count from the moment at which a request was to be sent.

    Attributes:
        seconds: of the soak.
        capacity_per_s: requests answered a second, by the same client with every connection busy.
        rate_per_s: at which requests were sent, at moments of a Poisson process.
        requests: of the good client.
        failures: what went wrong with them; the first ten in words.
        failed: how many.
        p50_us, p95_us, p99_us: early-stopping estimates; None where there are too few.
        slowest_us: of all.
        served_p50_us, served_p95_us, served_p99_us: the same from when a request was sent.
        others: what the other clients did and were told, by kind.
        resident_mib: by process: the medians of each eighth of the time after the first.
        restarts: of the model's process.
    """

    seconds: float
    capacity_per_s: float
    rate_per_s: float
    requests: int
    failed: int
    failures: list[str]
    p50_us: float | None
    p95_us: float | None
    p99_us: float | None
    slowest_us: float
    served_p50_us: float | None
    served_p95_us: float | None
    served_p99_us: float | None
    others: dict[str, Any]
    resident_mib: dict[str, list[float]]
    restarts: int

    @property
    def flat(self) -> bool:
        """Whether no process is larger at the end than it was after the first quarter."""
        return all(parts[-1] - parts[1] < FLAT_BYTES / MIB for parts in self.resident_mib.values())

    @property
    def passed(self) -> bool:
        """Whether it held."""
        faults = self.others["faults"] + self.others["unanswered"]
        return self.flat and not self.failed and not faults and not self.restarts


def soak(artifact: Path, *, seconds: float, share: float = SHARE, seed: int = SEED) -> Soaked:
    """Serve an artifact and ask it, good clients and others at the same time.

    Args:
        artifact: of one float32 input.
        seconds: without the search for its capacity.
        share: of the capacity.
        seed: of the arrivals, and of what the others do.
    """
    port = free_port()
    with Asked(ours(artifact, port), port) as asked:
        requests = good_requests(asked.connection)
        good = Good(port, requests, CONNECTIONS)
        good.run(seconds=1.0, rate=None, seed=seed)
        began = time.perf_counter()
        tell("the soak: capacity")
        capacity = len(good.run(seconds=CAPACITY_SECONDS, rate=None, seed=seed)) / (time.perf_counter() - began)
        rate = share * capacity
        tell(f"the soak: {capacity:,.0f} requests a second at most; {rate:,.0f} for {seconds:g} s")
        good.failures.clear()
        others = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("soak_others.py")),
                *map(str, (port, seconds, MALFORMED_SHARE * rate, seed)),
            ],
            env=environment(),
            stdout=subprocess.PIPE,
        )
        memory: dict[str, array[float]] = {}
        try:
            values = good.run(seconds=seconds, rate=rate, seed=seed, each_second=lambda: watch(asked, memory))
            told, _ = others.communicate(timeout=60)
        finally:
            others.kill()
        last = Socket(port)  # the first was idle for too long
        metrics = last.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").decode()
        last.close()
    failures = good.failures
    values_us, served_us = sorted(values), sorted(good.served_us)
    p50, p95, p99 = (rules.percentile(values_us, level).value_us for level in (0.5, 0.95, 0.99))
    served = [rules.percentile(served_us, level).value_us for level in (0.5, 0.95, 0.99)]
    return Soaked(
        seconds=seconds,
        capacity_per_s=capacity,
        rate_per_s=rate,
        requests=len(values) + len(failures),
        failed=len(failures),
        failures=failures[:10],
        p50_us=p50,
        p95_us=p95,
        p99_us=p99,
        slowest_us=values_us[-1],
        served_p50_us=served[0],
        served_p95_us=served[1],
        served_p99_us=served[2],
        others=json.loads(told),
        resident_mib={name: eighths(taken) for name, taken in memory.items()},
        restarts=sum(
            int(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith("edgeproof_worker_restart")
        ),
    )


def watch(asked: Asked, memory: dict[str, array[float]]) -> None:
    """Note the resident memory of each process, in MiB."""
    for place, pid in enumerate(asked.pids()):
        name = "front" if place == 0 else "model"
        memory.setdefault(name, array("d")).append(psutil.Process(pid).memory_info().rss / MIB)


def eighths(values: Sequence[float]) -> list[float]:
    """Medians of eight parts of a series in time, but the first."""
    size = max(1, len(values) // 8)
    parts = [values[start : start + size] for start in range(0, 8 * size, size)]
    return [round(statistics.median(part), 2) for part in parts[1:] if len(part)]


def section(soaked: Soaked) -> str:
    """The part of the page."""
    others = soaked.others
    heldout = "held" if soaked.passed else "DID NOT HOLD"
    words = f"""\
`{EXAMPLE}:model` with the native engine for {soaked.seconds / 60:g} minutes at {SHARE:.0%} of its capacity: that is
{soaked.capacity_per_s:,.0f} requests a second over {CONNECTIONS} connections of one client, in binary and JSON in turn,
client and server on the same cores. Requests arrive as a Poisson process at {soaked.rate_per_s:,.0f} a second, and
their latency counts from the moment at which they were to be sent. Meanwhile another process sent
{others["malformed"]:,} malformed requests ({MALFORMED_SHARE:.0%}), left {others["vanished"]:,} times amid a request or
before its answer, and held {others["slow_readers"]} connections that ask and do not read. Each of the good client's
{soaked.requests:,} answers was held against the outputs that the server gave at first.

It {heldout}: {soaked.failed} of them failed, the model's process was started anew {soaked.restarts} times,
{others["faults"]} malformed requests were answered by a 5xx and {others["unanswered"]} not at all, and the resident
memory of both processes is {"flat" if soaked.flat else "NOT FLAT"}. On a machine that does other work too, the
latencies are an upper bound."""
    return "\n\n".join(("## The edge server under load", words, table(latency(soaked)), table(resident(soaked))))


def latency(soaked: Soaked) -> Table:
    """Figures of the good client."""
    notes = Notes()
    rows = []
    for name, before in (("was to be sent", ""), ("was sent", "served_")):
        cells = [
            notes.figure(getattr(soaked, f"{before}{level}_us"), significant, f"too few requests for a {level}")
            for level in ("p50", "p95", "p99")
        ]
        rows.append((Cell(name), *cells))
    columns = (Column("Latency from when a request"), *(Column(title, "µs") for title in ("p50", "p95", "p99")))
    return Table(id="soak", caption="", columns=columns, rows=tuple(rows), notes=tuple(notes.reasons))


def resident(soaked: Soaked) -> Table:
    """Resident memory over time."""
    count = max(map(len, soaked.resident_mib.values()))
    columns = (
        Column("Resident memory, median of each eighth"),
        *(Column(f"{place + 2}", "MiB") for place in range(count)),
    )
    rows = tuple(
        (Cell(name, tone="name"), *(Cell(f"{value:.1f}") for value in parts))
        for name, parts in soaked.resident_mib.items()
    )
    return Table(id="resident", caption="", columns=columns, rows=rows, notes=())


def main() -> int:
    """Soak, and print the part of the page, or JSON; 1 where it did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="default: 600")
    parser.add_argument("--artifact", type=Path, help="another than the example's, of one float32 input")
    parser.add_argument("--json", action="store_true", help="print what was measured")
    options = parser.parse_args()
    artifact = options.artifact
    if artifact is None:
        made = make(EXAMPLE, ("sdk-native", "onnx", "litert"))
        artifact = next(target.artifact for target in made.targets if target.candidate == "sdk-native")
    soaked = soak(artifact, seconds=options.seconds)
    if options.json:
        print(msgspec.json.encode({**asdict(soaked), "flat": soaked.flat, "passed": soaked.passed}).decode())
    else:
        print(section(soaked))
    for failure in soaked.failures:
        tell(f"failed: {failure}")
    return 0 if soaked.passed else 1


if __name__ == "__main__":
    sys.exit(main())
