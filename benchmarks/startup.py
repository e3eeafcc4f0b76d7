"""Starts: how long the command line takes to answer, and a fresh process to the first result of each artifact."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from artifacts import ROOT, Made, make, tell

from edgeproof.devices.base import Effort, Measured
from edgeproof.devices.host import HostDevice
from edgeproof.devices.measuring import measure
from edgeproof.measure import statistics as rules
from edgeproof.process import environment
from edgeproof.report.columns import Notes
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.markdown import table
from edgeproof.report.quantities import significant

__all__ = ["section"]

ROUNDS = 100
GOAL_MS = 200
ENGINE = "edgeproof.open, one call"
ENGINE_GOAL_MS = 50
COLD_STARTS = 5
EXAMPLES = ("examples/digits_snn.py", "examples/digits_cnn.py")
COMMANDS = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "edgeproof --help": (str(Path(sys.executable).with_name("edgeproof")), "--help"),
}


def section() -> str:
    """Measure, and give the part of the page."""
    models = [make(example) for example in EXAMPLES]
    tell("the command line's start: measuring")
    commands = COMMANDS | {ENGINE: engine_command(models[0])}
    starts = {name: list[float]() for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            starts[name].append(wall_us(command))
    parts = [
        "## Start of the command line, and of the engine",
        f"""\
Process start to exit, the commands in turn, {ROUNDS} times each. The goal for `edgeproof --help` is under {GOAL_MS} ms,
for `{ENGINE}` of {name_of(models[0])} under {ENGINE_GOAL_MS} ms, the interpreter's own start included.""",
        table(command_starts(starts)),
    ]
    for made in models:
        tell(f"{made.address}: cold starts")
        effort = Effort(rounds=COLD_STARTS, count=0)
        opened = measure(HostDevice(), made.targets, made.inputs, effort, lambda _: None)
        parts += [
            f"## Cold start of an artifact: {name_of(made)}",
            f"""\
{COLD_STARTS} fresh processes a candidate, the candidates in turn; the file cache is warm. *First result* is from
process start to the end of the first call. *Load* is opening the artifact, the import of its runtime included.""",
            table(cold_starts(opened)),
        ]
    return "\n\n".join(parts)


def name_of(made: Made) -> str:
    """The model as on a command line in the project's folder."""
    return made.address.removeprefix(f"{ROOT}/")


def engine_command(made: Made) -> tuple[str, ...]:
    """A Python process that opens the model's engine and runs it once, on an array of the standard library."""
    folder = next(target.artifact for target in made.targets if target.candidate == "sdk-native")
    code = (
        "import array, math, edgeproof\n"
        f"with edgeproof.open({str(folder)!r}) as session:\n"
        "    session.run({spec.name: array.array('f', [0.5]) * math.prod(spec.shape) for spec in session.inputs})"
    )
    return sys.executable, "-c", code


def wall_us(command: Sequence[str]) -> float:
    """Wall time of a command in µs, its output thrown away."""
    began = time.perf_counter_ns()
    subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter_ns() - began) / 1e3


def command_starts(starts: dict[str, list[float]]) -> Table:
    """One line a command, in ms."""
    notes = Notes()
    rows = []
    for name, values_us in starts.items():
        p90 = rules.percentile(sorted(values_us), 0.90)
        rows.append(
            (
                Cell(name, tone="name"),
                Cell(in_ms(statistics.median(values_us))),
                notes.figure(p90.value_us, in_ms, f"{p90.needs_more} more starts needed for a p90"),
                Cell(f"{in_ms(min(values_us))} to {in_ms(max(values_us))}"),
            )
        )
    columns = (Column("Command"), Column("Median", "ms"), Column("p90", "ms"), Column("Lowest to highest", "ms"))
    return Table(id="commands", caption="", columns=columns, rows=tuple(rows), notes=tuple(notes.reasons))


def in_ms(microseconds: float) -> str:
    return significant(microseconds / 1e3)


def cold_starts(opened: Sequence[Measured]) -> Table:
    """One line a candidate, the quickest first; those that failed last, with the reason."""
    notes = Notes()
    lines: list[tuple[float, tuple[Cell, ...]]] = []
    for measured in opened:
        cold = rules.cold_start(
            [report.exec_to_first_ms for report in measured.reports if report.exec_to_first_ms is not None],
            [report.load_ms for report in measured.reports if report.load_ms is not None],
            [report.first_inference_us for report in measured.reports if report.first_inference_us is not None],
        )
        name = Cell(measured.candidate, tone="name")
        if cold is None or measured.failure is not None:
            reason = measured.failure or "no process told its times"
            lines.append((float("inf"), (name, *(notes.absent(reason) for _ in range(4)))))
            continue
        span = f"{significant(min(cold.exec_to_first_ms))} to {significant(max(cold.exec_to_first_ms))}"
        figures = (
            significant(cold.median_ms),
            span,
            significant(statistics.median(cold.load_ms)),
            significant(statistics.median(cold.first_inference_us)),
        )
        lines.append((cold.median_ms, (name, *(Cell(figure) for figure in figures))))
    columns = (
        Column("Candidate"),
        Column("First result", "ms, median"),
        Column("Lowest to highest", "ms"),
        Column("Load", "ms, median"),
        Column("First call", "µs, median"),
    )
    rows = tuple(row for _, row in sorted(lines, key=lambda line: line[0]))
    return Table(id="cold", caption="", columns=columns, rows=rows, notes=tuple(notes.reasons))


if __name__ == "__main__":
    print(section())
