"""What phones of one process cost each other: 16 of them in one process, four, and sixteen, in turns, on one server.

    python benchmarks/phones.py ARTIFACT

prints the table of ``docs/clients.md``. The paced load asks how late requests leave; the closed loop how many answers
the client can take.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

from edgeproof.client import fleet
from edgeproof.client.drive import Drive
from edgeproof.client.report import ClientReport
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.markdown import table
from edgeproof.report.quantities import significant
from edgeproof.serve.spawned import SpawnedServer

PHONES = 16
ROUNDS = 5
PACED = Drive(requests=10**9, seconds=4, warmup=5, rate_per_s=320, poisson_seed=1)
CLOSED = Drive(requests=8000, warmup=5)


@dataclass
class Seen:
    """Of one way to spread the phones, a value a round."""

    median_us: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)
    late_p99_us: list[float] = field(default_factory=list)
    answers_per_s: list[float] = field(default_factory=list)

    def add(self, paced: ClientReport, closed: ClientReport) -> None:
        """A round."""
        self.median_us.append(statistics.median(paced.latency_us))
        self.p99_us.append(statistics.quantiles(paced.latency_us, n=100)[98])
        self.late_p99_us.append(statistics.quantiles(paced.late_us, n=100)[98])
        self.answers_per_s.append(len(closed.latency_us) / closed.seconds)


def main() -> None:
    """Measure and print."""
    ways = {each: Seen() for each in (16, 4, 1)}
    with SpawnedServer(Path(sys.argv[1])) as server:
        for number in range(ROUNDS):
            for each, seen in ways.items():
                fleet.PHONES_A_PROCESS = each
                paced = fleet.drive_fleet(server.ready.url, PACED, PHONES)
                seen.add(paced, fleet.drive_fleet(server.ready.url, CLOSED, PHONES))
            print(f"round {number + 1} of {ROUNDS}", file=sys.stderr)
    titles = (
        "Phones a process",
        "Median, paced",
        "p99 of the sample",
        "Late, p99 of the sample",
        "Answers, closed loop",
    )
    columns = tuple(Column(title, unit) for title, unit in zip(titles, (None, "µs", "µs", "µs", "1/s"), strict=True))
    rows = tuple(
        (
            Cell(str(each)),
            *(
                Cell(significant(statistics.median(values)))
                for values in (seen.median_us, seen.p99_us, seen.late_p99_us, seen.answers_per_s)
            ),
        )
        for each, seen in ways.items()
    )
    print(table(Table("phones", "Medians of the rounds.", columns, rows)))


if __name__ == "__main__":
    main()
