"""Steady-state latency of every runtime against the eager model: batch 1, one thread, interleaved in one process.

It says how fast a candidate is, not whether its outputs are right: see ``docs/conversions.md`` for that.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import cycle, islice

import numpy as np
from artifacts import DENSE, ROOT, SPIKING, Made, make, tell
from engine import against_others, whole_numbers
from engine_limits import WEIGHT_BYTES, against_limits
from limits import Work, exported, measure_limits, work_of

import edgeproof
from edgeproof.documents.latency import Percentile
from edgeproof.errors import EdgeProofError
from edgeproof.formats.base import Session
from edgeproof.measure import statistics as rules
from edgeproof.measure.latency import Timed, still_collector
from edgeproof.model.samples import Call as Given
from edgeproof.model.samples import read_calls
from edgeproof.report.columns import Notes
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.markdown import table
from edgeproof.report.quantities import significant
from edgeproof.spike.runtime.session import NativeSession

__all__ = ["section"]

BASELINE = "eager"
ROUNDS = 20
CALLS = 50
LONGEST_TURN_S = 0.3
FEWEST = 5
WARMUP = 10
WARM_NS = 2_000_000
SEED = 7
COUNTED = 8
"""Samples on which the work of a call is counted."""

Call = Callable[[], object]
Turns = Mapping[str, Sequence[Timed]]
"""Candidate to its turns, one a round."""


def section() -> str:
    """Convert, measure, and give the part of the page."""
    parts = [
        "## Steady-state latency",
        f"""\
All sessions of a model are open in one process, each asked to use one thread. In each of {ROUNDS} rounds every
candidate takes one turn, in an order that is drawn anew (seed {SEED}): {WARMUP} calls or {WARM_NS / 1e6:.0f} ms to warm
up, then {CALLS} timed calls with batch 1, on held-out samples; {FEWEST} or more where {CALLS} would last longer than
{LONGEST_TURN_S} s. So all candidates see the same minute of the machine. A call is `session.run`: arrays of the model
in, arrays of the model out, the time loop of a spiking model included.

- `{BASELINE}` is the module as the example's factory gives it, opened with `edgeproof.load`; `sdk-eager` is the
  artifact that ships.
- `sdk-native, bound` is the native engine through `session.engine.bind`: a call through ctypes on buffers that are
  known beforehand, without the check of names and shapes that every other session makes.
- *Median* is over all calls. *p90* is the early-stopping estimate: with 99 % confidence the true one is not above it.
- *Ratio* is latency over that of `{BASELINE}`: the medians of the two turns of a round, then the median over the
  rounds, with the lowest and highest round beside it. Below 1 is faster.
- *CPU* is processor time over wall time in the timed calls. Well above 100 %, a runtime uses more threads than it was
  given; well below, it waited, or something else had the core.""",
    ]
    spiking: dict[str, Turns] = {}
    engines: dict[str, Turns] = {}
    works: dict[tuple[str, str], Work] = {}
    limits = measure_limits()
    measured: dict[str, Turns] = {}
    for model in (*SPIKING, *DENSE):
        made = make(model)
        tell(f"{model}: measuring")
        turns, refused = measure(made)
        parts += [f"### {made.address.removeprefix(f'{ROOT}/')}", table(latencies(turns, made.failures | refused))]
        measured[model] = turns
        if model in SPIKING:
            spiking[model] = turns
        kinds = {kind: size for kind, size in WEIGHT_BYTES.items() if kind in turns}
        if kinds:
            engines[model] = turns
            works |= {(model, kind): work for kind, work in work(made, kinds).items()}
    return "\n\n".join(
        [*parts, against_others(spiking), whole_numbers(measured), against_limits(engines, works, limits)]
    )


def measure(made: Made) -> tuple[Turns, dict[str, str]]:
    """The turns of every candidate that opens, and why the others do not."""
    turns: dict[str, list[Timed]] = {}
    refused: dict[str, str] = {}
    counts: dict[str, int] = {}
    order = random.Random(SEED)
    with ExitStack() as stack:
        eager = stack.enter_context(edgeproof.load(made.address, threads=1))
        sessions: dict[str, Session | NativeSession] = {BASELINE: eager}
        for target in made.targets:
            try:
                sessions[target.candidate] = stack.enter_context(edgeproof.open(target.artifact, threads=1))
            except EdgeProofError as error:
                refused[target.candidate] = str(error)
        feeds = read_calls(made.inputs, eager.inputs, limit=WARMUP + CALLS)
        calls: dict[str, Sequence[Call]] = {}
        for candidate, session in sessions.items():
            calls[candidate] = [partial(session.run, feed) for feed in feeds]
            if isinstance(session, NativeSession):
                calls[f"{candidate}, bound"] = bound(session, feeds)
        with still_collector():
            for _ in range(ROUNDS):
                for candidate in order.sample(list(calls), len(calls)):
                    if candidate not in counts:
                        counts[candidate] = affordable(calls[candidate])
                    turns.setdefault(candidate, []).append(turn(calls[candidate], counts[candidate]))
    return {candidate: turns[candidate] for candidate in calls}, refused


def work(made: Made, kinds: Mapping[str, int]) -> dict[str, Work]:
    """What a call of the engine cannot leave out, on average over some held-out samples.

    Args:
        made: the model.
        kinds: of the engine, with the bytes of a weight.
    """
    with edgeproof.load(made.address, threads=1) as eager:
        feeds = read_calls(made.inputs, eager.inputs, limit=COUNTED)
        program = exported(eager.subject, {name: np.stack([feed[name] for feed in feeds]) for name in feeds[0]})
    return {kind: work_of(program, feeds, weight_bytes=size) for kind, size in kinds.items()}


def bound(session: NativeSession, feeds: Sequence[Given]) -> list[Call]:
    """The native engine on the buffers of feeds that are known beforehand."""
    outputs = [np.zeros(port.shape, np.float32) for port in session.outputs]
    return [session.engine.bind([np.array(feed[port.name]) for port in session.inputs], outputs) for feed in feeds]


def affordable(calls: Sequence[Call]) -> int:
    """How many calls a turn has: as many as the second call says."""
    calls[0]()
    began = time.perf_counter()
    calls[0]()
    return max(FEWEST, min(CALLS, int(LONGEST_TURN_S / (time.perf_counter() - began))))


def turn(calls: Sequence[Call], count: int) -> Timed:
    """Warm up, then time single calls. The garbage collector rests over all turns: a collection costs more than one."""
    clock = time.perf_counter_ns
    warmed, end = 0, clock() + WARM_NS
    for call in cycle(calls):
        if warmed >= min(WARMUP, count) and clock() >= end:
            break
        call()
        warmed += 1
    values_us: list[float] = []
    busy, start = time.process_time_ns(), clock()
    for call in islice(cycle(calls), count):
        before = clock()
        call()
        values_us.append((clock() - before) / 1e3)
    wall, busy = clock() - start, time.process_time_ns() - busy
    return Timed(values_us=values_us, calls=count, warmup=warmed, seconds=wall / 1e9, cpu_percent=100 * busy / wall)


def ratios(turns: Sequence[Timed], baseline: Sequence[Timed]) -> list[float]:
    """Median over the baseline's median, round by round."""
    pairs = zip(turns, baseline, strict=True)
    return [statistics.median(own.values_us) / statistics.median(other.values_us) for own, other in pairs]


def latencies(turns: Turns, failures: Mapping[str, str]) -> Table:
    """One line a candidate, the fastest first; those without a figure last, with the reason."""
    notes = Notes()
    medians = {name: statistics.median(values(one)) for name, one in turns.items()}
    rows: list[tuple[Cell, ...]] = []
    for candidate in sorted(medians, key=medians.__getitem__):
        own = turns[candidate]
        against = ratios(own, turns[BASELINE])
        p90: Percentile = rules.percentile(sorted(values(own)), 0.90)
        rows.append(
            (
                Cell(candidate, tone="name"),
                Cell(significant(medians[candidate])),
                notes.figure(p90.value_us, significant, f"{p90.needs_more} more calls needed for a p90"),
                Cell(significant(statistics.median(against))),
                Cell(f"{significant(min(against))} to {significant(max(against))}"),
                notes.figure(cpu_percent(own), lambda value: f"{value:.0f}", "the system does not tell"),
            )
        )
    for candidate, reason in failures.items():
        rows.append((Cell(candidate, tone="name"), *(notes.absent(reason) for _ in range(5))))
    columns = (
        Column("Candidate"),
        Column("Median", "µs"),
        Column("p90", "µs"),
        Column("Ratio", "× eager"),
        Column("Lowest to highest round", "× eager"),
        Column("CPU", "% of one core"),
    )
    return Table(id="latencies", caption="", columns=columns, rows=tuple(rows), notes=tuple(notes.reasons))


def values(turns: Sequence[Timed]) -> list[float]:
    """All latencies in µs."""
    return [value for turn in turns for value in turn.values_us]


def cpu_percent(turns: Sequence[Timed]) -> float | None:
    """Processor time over wall time, all turns together."""
    known = [(turn.cpu_percent, turn.seconds) for turn in turns if turn.cpu_percent is not None]
    wall = sum(seconds for _, seconds in known)
    return sum(percent * seconds for percent, seconds in known) / wall if wall else None


if __name__ == "__main__":
    print(section())
