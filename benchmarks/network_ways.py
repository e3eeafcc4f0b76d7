"""The same networks made by the kernel and in user space, in turns: what each measures, and how long requests take.

    scripts/virt_kernel.py DIR .venv/bin/python benchmarks/network_ways.py    # where this kernel has no sch_netem

prints the tables of ``docs/clients.md``. A request is bytes each way over TCP and nothing else: no server is in them.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgeproof.client.fleet import Way
from edgeproof.client.network import PROFILES
from edgeproof.client.shaping.link import NETEM, is_shaped, shaped
from edgeproof.client.shaping.namespace import enter_network, enter_user
from edgeproof.client.shaping.netem import refusal
from edgeproof.client.shaping.probe import HEAD, Echo
from edgeproof.documents.load import NetworkProfile
from edgeproof.process import environment
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.markdown import table
from edgeproof.report.quantities import significant

LARGE = 224 * 224 * 3 * 4
"""Bytes of an image as float32."""
ANSWER = 8
"""Bytes that come back."""
CALLS = {
    "kept": (1000, 41, True),
    "fresh": (1000, 20, False),
    "large": (LARGE, 7, False),
    "large kept": (LARGE, 8, True),
}
"""Name to bytes of a request, how often, and whether on one connection; the first of one connection is left out."""


@dataclass
class Seen:
    """Of one way, a value a round."""

    round_trip_ms: list[float] = field(default_factory=list)
    up_mbit_per_s: list[float] = field(default_factory=list)
    down_mbit_per_s: list[float] = field(default_factory=list)
    calls_ms: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CALLS})


def call(host: str, port: int) -> dict[str, float]:
    """Median milliseconds of each kind of request, from the opening of the connection where that is fresh."""
    found = {}
    for name, (size, count, keep) in CALLS.items():
        times = []
        line: socket.socket | None = None
        for _ in range(count):
            begin = time.perf_counter()
            if line is None:
                line = socket.create_connection((host, port), 60)
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.sendall(HEAD.pack(b"u", size) + bytes(size))
            got = 0
            while got < ANSWER:
                got += len(line.recv(ANSWER))
            times.append(1e3 * (time.perf_counter() - begin))
            if not keep:
                line.close()
                line = None
        found[name] = statistics.median(times[1:] if keep else times)
    return found


def called(way: Way) -> dict[str, float]:
    """The same from where the phone is."""
    assert way.through is not None
    words = [sys.executable, __file__, "--call", *map(str, (*way.through, *way.namespaces))]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def measure(profile: NetworkProfile, echo: Echo, refused: Callable[[int], str | None], seen: Seen) -> str:
    """One round over a network; how it was made."""
    with shaped(profile, ("127.0.0.1", echo.port), 1, refused=refused) as link:
        made = link.shaping
        times = called(link.way)
    assert made.round_trip_median_ms is not None
    assert made.up_mbit_per_s is not None
    assert made.down_mbit_per_s is not None
    seen.round_trip_ms.append(made.round_trip_median_ms)
    seen.up_mbit_per_s.append(made.up_mbit_per_s)
    seen.down_mbit_per_s.append(made.down_mbit_per_s)
    for name, value in times.items():
        seen.calls_ms[name].append(value)
    return made.how


def tables(profiles: Sequence[NetworkProfile], seen: dict[tuple[str, str], Seen]) -> str:
    """Both tables, kernel first in each cell."""

    def both(name: str, of: Callable[[Seen], list[float]]) -> Cell:
        return Cell(", ".join(significant(statistics.median(of(seen[name, way]))) for way in ("kernel", "user space")))

    units = {"Round trip": "ms", "Up": "Mbit/s", "Down": "Mbit/s"}
    links = Table(
        "networks",
        "",
        (Column("Profile", None), *(Column(title, unit) for title, unit in units.items())),
        tuple(
            (
                Cell(profile.name),
                both(profile.name, lambda of: of.round_trip_ms),
                both(profile.name, lambda of: of.up_mbit_per_s),
                both(profile.name, lambda of: of.down_mbit_per_s),
            )
            for profile in profiles
        ),
    )
    calls = Table(
        "requests",
        "",
        (Column("Profile", None), *(Column(name, "ms") for name in CALLS)),
        tuple(
            (
                Cell(profile.name),
                *(both(profile.name, lambda of, name=name: of.calls_ms[name]) for name in CALLS),  # type: ignore[misc]
            )
            for profile in profiles
        ),
    )
    return f"{table(links)}\n\n{table(calls)}"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--call", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.call:
        host, port, *spaces = given.call
        for space in spaces:
            enter_user(int(space))
            enter_network(int(space))
        print(json.dumps(call(host, int(port))))
        return 0
    if (why := refusal()) is not None:
        print(f"error: {why}; scripts/virt_kernel.py runs this where the kernel does not", file=sys.stderr)
        return 1
    ways: dict[str, Callable[[int], str | None]] = {"kernel": refusal, "user space": lambda _: "it is asked for"}
    profiles = [profile for profile in PROFILES.values() if is_shaped(profile)]
    seen = {(profile.name, way): Seen() for profile in profiles for way in ways}
    with Echo() as echo:
        for number in range(given.rounds):
            for profile in profiles:
                for way, refused in ways.items():
                    how = measure(profile, echo, refused, seen[profile.name, way])
                    assert (how == NETEM) == (way == "kernel")
                    print(f"round {number + 1} of {given.rounds}: {profile.name}, {way}", file=sys.stderr, flush=True)
    print(tables(profiles, seen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
