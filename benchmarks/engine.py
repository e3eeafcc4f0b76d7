"""The native engine beside every other runtime, spiking models only: how many times longer the others take."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from edgeproof.measure.latency import Timed
from edgeproof.report.columns import Notes
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.markdown import table
from edgeproof.report.quantities import significant

__all__ = ["against_others"]

Turns = Mapping[str, Sequence[Timed]]
ENGINE = "sdk-native"
BOUND = f"{ENGINE}, bound"
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
