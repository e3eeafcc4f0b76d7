"""The native engine beside every other runtime: how many times longer the others take, and whole numbers."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from edgeproof.measure.latency import Timed
from edgeproof.report.columns import Notes
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.markdown import table
from edgeproof.report.quantities import significant

__all__ = ["against_others", "whole_numbers"]

Turns = Mapping[str, Sequence[Timed]]
ENGINE = "sdk-native"
BOUND = f"{ENGINE}, bound"
WHOLE = f"{ENGINE}-int8, bound"
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


def whole_numbers(measured: Mapping[str, Turns]) -> str:
    """The engine's int8 beside its fp32 and the other runtimes' int8, from the turns of each model's candidates."""
    notes = Notes()
    rows: list[tuple[Cell, ...]] = []
    for model, turns in measured.items():
        if WHOLE not in turns:
            continue
        others = [runtime for runtime in turns if runtime.endswith("-int8") and not runtime.startswith("sdk-")]
        fastest = _fastest(turns, others) if others else None
        rows.append(
            (
                Cell(model, tone="name"),
                Cell(significant(_median(turns[WHOLE]))),
                Cell(significant(_median(turns[BOUND]))),
                Cell(significant(_times(turns[WHOLE], turns[BOUND]))),
                Cell(fastest) if fastest else notes.absent("no other runtime has it in int8"),
                Cell(significant(_times(turns[fastest], turns[f"{ENGINE}-int8"])))
                if fastest
                else notes.absent("no other runtime has it in int8"),
            )
        )
    columns = (
        Column("Model"),
        Column("int8, bound", "µs"),
        Column("fp32, bound", "µs"),
        Column("int8 over fp32", "×"),
        Column("Fastest other in int8"),
        Column("Fastest other, both session.run", "× engine"),
    )
    return "\n\n".join(
        (
            "### The native engine in whole numbers",
            f"""\
From the same turns: `{WHOLE}` over `{BOUND}`, round by round, then the median; below 1 int8 is faster. The last column
is as above, with the other runtimes' int8.""",
            table(Table(id="whole", caption="", columns=columns, rows=tuple(rows), notes=tuple(notes.reasons))),
        )
    )


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
