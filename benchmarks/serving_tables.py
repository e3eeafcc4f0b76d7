"""What was measured of the servers, in tables, and beside it what the edge server is held to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from asked import Memory

from edgeproof.measure import statistics as rules
from edgeproof.report.columns import Notes
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.quantities import significant

__all__ = ["BASELINE", "LITERT", "NATIVE", "ONNX", "Image", "Server", "costs", "goals", "latencies"]

BASELINE = "FastAPI, PyTorch"
NATIVE, ONNX, LITERT = "native engine", "ONNX Runtime", "LiteRT"
MIB = 1 << 20

Command = Callable[[int], list[str]]


@dataclass
class Server:
    """One that is measured.

    Attributes:
        command: by its port.
        codecs: it is asked in.
        values_us: latencies of each codec's turns.
        exec_ms: process start to the first answer, of each start.
        free_ms: the same where it has all cores.
        first_ms: listening to the first answer.
        processor_ms: that all its processes took until then.
    """

    command: Command
    codecs: tuple[str, ...]
    values_us: dict[str, list[list[float]]] = field(default_factory=dict)
    exec_ms: list[float] = field(default_factory=list)
    free_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    processor_ms: list[float] = field(default_factory=list)
    memory: Memory | None = None


@dataclass(frozen=True)
class Image:
    """Medians of a large input."""

    kilobytes: float
    served_ms: float
    alone_ms: float


def values(turns: Sequence[Sequence[float]]) -> list[float]:
    """All of them, in order."""
    return sorted(value for turn in turns for value in turn)


def latencies(servers: Mapping[str, Server]) -> Table:
    """One line for each server and codec, the fastest first."""
    notes = Notes()
    baseline = servers[BASELINE].values_us["JSON"] if BASELINE in servers else None
    lines: list[tuple[float, tuple[Cell, ...]]] = []
    for name, server in servers.items():
        for codec, turns in server.values_us.items():
            found = values(turns)
            median = statistics.median(found)
            cells = [Cell(f"{name}: {codec}", tone="name"), Cell(significant(median))]
            for share in (0.95, 0.99):
                told = rules.percentile(found, share)
                reason = f"{told.needs_more} more requests needed for a p{share:.0%}".replace("%", "")
                cells.append(notes.figure(told.value_us, significant, reason))
            if baseline is None:
                cells += [notes.absent("FastAPI is not installed")] * 2
            else:
                pairs = zip(turns, baseline, strict=True)
                ratios = [statistics.median(own) / statistics.median(other) for own, other in pairs]
                cells.append(Cell(significant(statistics.median(ratios))))
                cells.append(Cell(f"{significant(min(ratios))} to {significant(max(ratios))}"))
            lines.append((median, tuple(cells)))
    columns = (
        Column("Server"),
        Column("Median", "µs"),
        Column("p95", "µs"),
        Column("p99", "µs"),
        Column("Ratio", "× FastAPI, PyTorch"),
        Column("Lowest to highest round", "× FastAPI, PyTorch"),
    )
    rows = tuple(cells for _, cells in sorted(lines, key=lambda line: line[0]))
    return Table(id="serving", caption="", columns=columns, rows=rows, notes=tuple(notes.reasons))


def costs(servers: Mapping[str, Server]) -> Table:
    """Starts and memory, the quickest first."""
    rows = []
    for name, server in sorted(servers.items(), key=lambda line: statistics.median(line[1].exec_ms)):
        assert server.memory is not None
        rows.append(
            (
                Cell(name, tone="name"),
                Cell(significant(statistics.median(server.exec_ms))),
                Cell(f"{significant(min(server.exec_ms))} to {significant(max(server.exec_ms))}"),
                Cell(significant(statistics.median(server.processor_ms))),
                Cell(significant(statistics.median(server.free_ms))),
                Cell(significant(statistics.median(server.first_ms))),
                Cell(significant(server.memory.peak_resident / MIB)),
                Cell(significant(server.memory.proportional / MIB)),
                Cell(str(server.memory.processes)),
            )
        )
    columns = (
        Column("Server"),
        Column("First answer", "ms, median"),
        Column("Lowest to highest", "ms"),
        Column("Processor time", "ms, median"),
        Column("All cores", "ms, median"),
        Column("First request", "ms, median"),
        Column("Peak resident", "MiB"),
        Column("Proportional", "MiB"),
        Column("Processes"),
    )
    return Table(id="servers", caption="", columns=columns, rows=tuple(rows), notes=())


def goals(servers: Mapping[str, Server], image: Image) -> Table:
    """What the server is held to, and what was measured."""
    native, litert, onnx = (servers[f"edgeproof, {name}"] for name in (NATIVE, LITERT, ONNX))
    binary, json = values(native.values_us["binary"]), values(native.values_us["JSON"])
    lines: list[tuple[str, str, float, float]] = [
        ("p50, native engine, binary", "µs", 70, statistics.median(binary)),
        ("p95, native engine, binary", "µs", 150, rules.percentile(binary, 0.95).value_us or float("nan")),
        ("p50, native engine, JSON", "µs", 100, statistics.median(json)),
        ("first request, native engine", "ms", 2, statistics.median(native.first_ms)),
        ("image, above its inference", "ms", 1, image.served_ms - image.alone_ms),
    ]
    for name, server, most_ms, most_mib in ((NATIVE, native, 150, 40), (LITERT, litert, 400, 80), (ONNX, onnx, 400, 0)):
        lines.append((f"first answer, {name}", "ms", most_ms, statistics.median(server.exec_ms)))
        if most_mib and server.memory is not None:
            lines.append((f"peak resident memory, {name}", "MiB", most_mib, server.memory.peak_resident / MIB))
    rows = tuple(
        (
            Cell(name),
            Cell(f"{goal:g} {unit}"),
            Cell(f"{significant(found)} {unit}"),
            Cell("yes" if found <= goal else "no"),
        )
        for name, unit, goal, found in lines
    )
    columns = (Column("Goal"), Column("At most"), Column("Measured"), Column("Met"))
    return Table(id="goals", caption="", columns=columns, rows=rows, notes=())
