"""The native engine beside what this machine could do at best."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from limits import Limits, Work, limit_us

from edgeproof.measure.latency import Timed
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.markdown import table
from edgeproof.report.quantities import significant

__all__ = ["WEIGHT_BYTES", "against_limits"]

Turns = Mapping[str, Sequence[Timed]]
WEIGHT_BYTES = {"sdk-native, bound": 4, "sdk-native-int8, bound": 1}
"""Of one weight, for each kind of the engine."""


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
        median = statistics.median(value for turn in measured[model][kind] for value in turn.values_us)
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
