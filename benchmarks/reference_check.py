"""The MIL reference check beside the eager model: how long a check takes. Its times say nothing of Core ML."""

from __future__ import annotations

import random
import statistics
from functools import partial

from artifacts import Made, make, tell
from runtimes import CALLS, ROUNDS, SEED, WARMUP, affordable, ratios, turn

import edgeproof
from edgeproof.measure.latency import Timed, still_collector
from edgeproof.model.samples import read_calls
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.markdown import table
from edgeproof.report.quantities import significant

__all__ = ["section"]

MODELS = (
    "examples/digits_snn.py",
    "examples/digits_cnn.py",
    "examples/digits_gru.py",
    "benchmarks/networks/mobilenet.py",
)
CANDIDATE = "coreml-fp32"


def section() -> str:
    """Convert, measure, and give the part of the page."""
    rows = []
    for model in MODELS:
        made = make(model, to=("coreml",))
        tell(f"{model}: measuring the reference check")
        check, eager = measure(made)
        against = ratios(check, eager)
        medians = [statistics.median(value for turn in turns for value in turn.values_us) for turns in (eager, check)]
        rows.append(
            (
                Cell(model, tone="name"),
                *(Cell(significant(median)) for median in medians),
                Cell(significant(statistics.median(against))),
                Cell(f"{significant(min(against))} to {significant(max(against))}"),
            )
        )
    columns = (
        Column("Model"),
        Column("Eager", "µs, median"),
        Column("Reference check", "µs, median"),
        Column("Ratio", "× eager"),
        Column("Lowest to highest round", "× eager"),
    )
    return "\n\n".join(
        (
            "## The MIL reference check",
            "How long it takes to compute a Core ML package without Core ML: `session.run` beside the eager model, "
            f"batch 1, one thread, in {ROUNDS} interleaved rounds as above.",
            table(Table(id="reference", caption="", columns=columns, rows=tuple(rows), notes=())),
        )
    )


def measure(made: Made) -> tuple[list[Timed], list[Timed]]:
    """Turns of the check and of the eager model, interleaved."""
    (target,) = (target for target in made.targets if target.candidate == CANDIDATE)
    order = random.Random(SEED)
    turns: dict[str, list[Timed]] = {"check": [], "eager": []}
    with edgeproof.load(made.address, threads=1) as eager, edgeproof.open(target.artifact, threads=1) as check:
        feeds = read_calls(made.inputs, eager.inputs, limit=WARMUP + CALLS)
        sessions = {"check": check, "eager": eager}
        calls = {name: [partial(session.run, feed) for feed in feeds] for name, session in sessions.items()}
        counts = {name: affordable(turn) for name, turn in calls.items()}
        with still_collector():
            for _ in range(ROUNDS):
                for name in order.sample(list(calls), 2):
                    turns[name].append(turn(calls[name], counts[name]))
    return turns["check"], turns["eager"]


if __name__ == "__main__":
    print(section())
