"""The native engine beside every other runtime, spiking models only: how many times longer the others take; and beside
what this machine could do at best."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from limits import Limits, Work, limit_us

from edgeproof.measure.latency import Timed
from edgeproof.report.columns import Notes
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.markdown import table
from edgeproof.report.quantities import significant

__all__ = ["WEIGHT_BYTES", "against_limits", "against_others"]

Turns = Mapping[str, Sequence[Timed]]
ENGINE = "sdk-native"
BOUND = f"{ENGINE}, bound"
WEIGHT_BYTES = {BOUND: 4, f"{ENGINE}-int8, bound": 1}
"""Of one weight, for each kind of the engine."""
EAGER = "eager"
GROUPS = {"eager": (EAGER,), "ONNX Runtime": ("onnx-",), "LiteRT": ("litert-",)}


def against_others(measured: Mapping[str, Turns]) -> str:
    """The part of the page, from the turns of each model's candidates."""
    return "\n\n".join(
        (
            "### The native engine beside the others",
            f"""\
From the same turns: the latency of the others over that of the engine, round by round, then the median. Above 1 the
engine is faster. `{BOUND}` is the engine in every column but the last, which has `session.run` on both sides. Where a
runtime has several candidates, its fastest counts.""",
            table(_table(measured)),
        )
    )


def against_limits(measured: Mapping[str, Turns], works: Mapping[tuple[str, str], Work], limits: Limits) -> str:
    """The part of the page about what is left to win.

    Args:
        measured: the turns of each model's candidates.
        works: of a call, by model and kind of the engine.
        limits: of this machine.
    """
    levels = ", ".join(f"{speed:.0f}" for speed in limits.bytes_per_ns)
    return "\n\n".join(
        (
            "### The native engine beside this machine's limits",
            f"""\
What a call cannot leave out: to add the weights of every input that is not zero, a layer whose input stays the same
once. Small loops say what one core of this machine does at best: it reads {levels} bytes in a nanosecond from the
first, second and third level of its cache, and adds {limits.floats_per_ns:.0f} float32 or {limits.ints_per_ns:.0f}
int32. A weight comes from where all of a layer's fit, and each further time from the first level. *At best* is the
slower of reading and adding, layer after layer, as if neurons, lists of events and the call itself cost nothing;
*share* is that over the median.""",
            table(_limits(measured, works, limits)),
        )
    )


def _limits(measured: Mapping[str, Turns], works: Mapping[tuple[str, str], Work], limits: Limits) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for (model, kind), work in works.items():
        median = _median(measured[model][kind])
        best = limit_us(work, limits, whole=WEIGHT_BYTES[kind] == 1)
        rows.append(
            (
                Cell(model, tone="name"),
                Cell(kind, tone="name"),
                Cell(significant(work.adds)),
                Cell(significant(work.weight_bytes / 1e3)),
                Cell(significant(work.table_bytes / 1e3)),
                Cell(significant(median)),
                Cell(significant(best)),
                Cell(significant(100 * best / median)),
            )
        )
    columns = (
        Column("Model"),
        Column("Engine"),
        Column("Additions"),
        Column("Weights touched", "kB"),
        Column("All weights", "kB"),
        Column("Median", "µs"),
        Column("At best", "µs"),
        Column("Share", "%"),
    )
    return Table(id="limits", caption="", columns=columns, rows=tuple(rows), notes=())


def _table(measured: Mapping[str, Turns]) -> Table:
    notes = Notes()
    rows: list[tuple[Cell, ...]] = []
    for model, turns in measured.items():
        if BOUND not in turns:
            rows.append((Cell(model, tone="name"), *(notes.absent("the engine did not take it") for _ in range(6))))
            continue
        fastest = _fastest(turns, [runtime for runtime in turns if runtime != EAGER and not runtime.startswith("sdk-")])
        rows.append(
            (
                Cell(model, tone="name"),
                Cell(significant(_median(turns[BOUND]))),
                *(_against(turns, prefixes, notes) for prefixes in GROUPS.values()),
                Cell(fastest),
                Cell(significant(_times(turns[fastest], turns[ENGINE]))),
            )
        )
    columns = (
        Column("Model"),
        Column("Engine, bound", "µs"),
        *(Column(name, "× engine") for name in GROUPS),
        Column("Fastest other"),
        Column("Fastest other, both session.run", "× engine"),
    )
    return Table(id="engine", caption="", columns=columns, rows=tuple(rows), notes=tuple(notes.reasons))


def _against(turns: Turns, prefixes: tuple[str, ...], notes: Notes) -> Cell:
    found = [runtime for runtime in turns if runtime.startswith(prefixes)]
    if not found:
        return notes.absent("not made")
    return Cell(significant(_times(turns[_fastest(turns, found)], turns[BOUND])))


def _fastest(turns: Turns, candidates: Iterable[str]) -> str:
    return min(candidates, key=lambda name: _median(turns[name]))


def _median(turns: Sequence[Timed]) -> float:
    return statistics.median(value for turn in turns for value in turn.values_us)


def _times(other: Sequence[Timed], own: Sequence[Timed]) -> float:
    return statistics.median(
        statistics.median(a.values_us) / statistics.median(b.values_us) for a, b in zip(other, own, strict=True)
    )
