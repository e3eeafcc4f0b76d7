"""A table that a meter's own program exported, as a trace: delimiter, head, decimal comma and times are found.

A row that is no numbers is a fault with its line. What was taken for granted stands in the trace's notes.
"""

from __future__ import annotations

import datetime
import math
import re
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgeproof.documents.power import ClockOffset, Fault, PowerTrace
from edgeproof.errors import DocumentError, UsageError
from edgeproof.meters.csv_columns import Asked, Columns, TimeUnit, choose
from edgeproof.meters.csv_table import Table, number_of, parse_time, tabulate, text_of
from edgeproof.meters.traces import Times, Trace, Watts, gaps_of

__all__ = ["read_csv"]

SECONDS: dict[TimeUnit, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
EPOCHS: tuple[tuple[float, TimeUnit], ...] = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (1e9, "s"))
"""A number as large is a unix time in that unit: after 2001, and no recording is that long."""
MOST_BAD = 0.01
"""Share of rows that may be no numbers; more, and the table is of another kind."""
MOST_FAULTS = 200
A_MOMENT = 1e9
"""Seconds: unix times are larger, and what counts from a beginning is smaller."""
ZONED = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})$")
ENOUGH_NS = 1_000_000


def read_csv(file: Path, asked: Asked, *, starts_unix_ns: int | None = None, clock: ClockOffset | None = None) -> Trace:
    """Read a table. Its document has no file of arrays yet.

    Args:
        file: CSV or the like, in UTF-8, UTF-16 with a mark, or Latin-1.
        asked: what the user says of its columns.
        starts_unix_ns: when its first sample was taken, for times that are counted from there.
        clock: how the meter's clock stands to the device's, where that is known.

    Raises:
        DocumentError: it is no table of numbers, or its time goes back.
        UsageError: its columns are not what they are said to be, or its start is not known.
    """
    table = tabulate(text_of(file))
    columns = choose(table.head, asked)
    times, watts, faults, notes = numbers(file, table, columns)
    if times[0] < A_MOMENT:  # counted from the first sample
        if starts_unix_ns is None:
            raise UsageError(
                f"the times of {file.name} count from its first sample, so nothing says which stretch was measured",
                hint="say when it began, --starts 2026-11-30T12:00:00.250Z, or find the load by its edges: --align",
            )
        times = times - times[0] + starts_unix_ns / 1e9
        notes.append("times count from the first sample, whose time was told")
    unix_ns = np.round(times * 1e9).astype(np.int64)
    gaps = gaps_of(unix_ns)
    faults_at = tuple(placed(faults, unix_ns))
    unix_ns, watts, thinned = averaged(unix_ns, watts)
    notes += thinned
    document = PowerTrace(
        meter="csv",
        address=file.name,
        source=f"{file.name}: {columns.said}",
        count=len(unix_ns),
        begin_unix_ns=int(unix_ns[0]),
        end_unix_ns=int(unix_ns[-1]),
        clock=clock,
        gaps=gaps,
        faults=faults_at,
        notes=(columns.said, *notes),
        raw="",
        sha256="",
    )
    return Trace(document, unix_ns, watts)


def numbers(file: Path, table: Table, columns: Columns) -> tuple[Watts, Watts, list[tuple[int, Fault]], list[str]]:
    """Seconds, watts, faults with the place of the sample they follow, and notes.

    Raises:
        DocumentError: too few rows are samples, or the time goes back.
    """
    times, watts, lines = array("d"), array("d"), array("l")
    faults: list[tuple[int, Fault]] = []
    bad = 0
    for line, cells in table.rows():
        moment, power = sample(cells, table, columns)
        if moment is None or power is None or not math.isfinite(moment + power):
            bad += 1
            if len(faults) < MOST_FAULTS:
                text = f"line {line} is no sample: {table.delimiter.join(cells).strip()[:60]}"
                faults.append((len(times), Fault("garbage", 0, text)))
            continue
        times.append(moment)
        watts.append(power)
        lines.append(line)
    if len(times) < 2:
        raise DocumentError(f"{file} has {len(times)} samples", hint="are the columns the right ones? --time, --watts")
    if bad > max(1, MOST_BAD * (len(times) + bad)):
        raise DocumentError(
            f"{bad} of {len(times) + bad} rows of {file.name} are no samples, the first: {faults[0][1].text}",
            hint="are the columns the right ones? --time, --watts, --volts, --amps",
        )
    seconds, notes = scaled(np.array(times), columns, table)
    first = table.sample[columns.time]
    if parse_time(first) is not None and seconds[0] > A_MOMENT and not ZONED.search(first):
        notes.append(f"its times have no zone, and were taken for this machine's: {local_zone()}")
    back = np.flatnonzero(np.diff(seconds) < 0)
    if len(back):
        raise DocumentError(
            f"{file.name}: the time goes back at line {lines[int(back[0]) + 1]}: its clock was set, or it is two "
            "recordings in one",
            hint="cut it there, and import the part that was measured",
        )
    seconds, spread = spread_out(seconds)
    notes += spread
    return seconds, np.array(watts, dtype=np.float64), faults, notes


def sample(cells: Sequence[str], table: Table, columns: Columns) -> tuple[float | None, float | None]:
    """A row's time, in its own unit, and watts; None for what is no number."""
    try:
        power = columns.factor
        for at, scale in columns.power:
            power *= float(cells[at]) * scale
        return float(cells[columns.time]), power
    except (ValueError, IndexError):
        return slowly(cells, table, columns)


def slowly(cells: Sequence[str], table: Table, columns: Columns) -> tuple[float | None, float | None]:
    """The same of cells that Python does not take for numbers: moments, decimal commas, units behind them."""
    if len(cells) <= max(columns.time, *(at for at, _ in columns.power)):
        return None, None
    cell = cells[columns.time].strip()
    moment = parse_time(cell) if columns.time_unit in (None, "iso") or ":" in cell else None
    if moment is None:
        moment = number_of(cell, table.comma)
    power = columns.factor
    for at, scale in columns.power:
        value = number_of(cells[at].strip(), table.comma)
        if value is None:
            return moment, None
        power *= value * scale
    return moment, power


def scaled(times: Watts, columns: Columns, table: Table) -> tuple[Watts, list[str]]:
    """Times in seconds, and how their unit was found."""
    if parse_time(table.sample[columns.time]) is not None or columns.time_unit == "iso":
        return times, []
    if columns.time_unit is not None:
        return times * SECONDS[columns.time_unit], []
    unit = next((unit for least, unit in EPOCHS if times[0] >= least), None)
    if unit is not None:
        return times * SECONDS[unit], [f"its times are as large as unix times in {unit}"]
    return times, ["no unit of its times is told: seconds were taken; --time-unit says another"]


def spread_out(
    seconds: Watts,
) -> tuple[Watts, list[str]]:
    """Samples that share a time, as a clock of whole seconds gives them, spread evenly up to the next one."""
    distinct, first, counts = np.unique(seconds, return_index=True, return_counts=True)
    if len(distinct) == len(seconds):
        return seconds, []
    if len(distinct) < 2:
        raise DocumentError("all samples have the same time")
    steps = np.append(np.diff(distinct), np.median(np.diff(distinct)))
    within = np.arange(len(seconds)) - np.repeat(first, counts)
    told = np.repeat(distinct, counts) + np.repeat(steps / counts, counts) * within
    most = int(counts.max())
    return told, [f"up to {most} samples share one time of its clock, and were spread evenly up to the next"]


def averaged(unix_ns: Times, watts: Watts) -> tuple[Times, Watts, list[str]]:
    """Samples of a quick meter averaged to about a thousand a second: a held load of seconds needs no more."""
    usual = float(np.median(np.diff(unix_ns)))
    many = int(ENOUGH_NS // max(usual, 1.0))
    if many < 2:
        return unix_ns, watts, []
    first = np.arange(0, len(watts), many)
    sizes = np.diff(first, append=len(watts))
    since = np.add.reduceat(unix_ns - unix_ns[0], first) // sizes
    note = f"{many} samples were averaged to one each: about 1,000 a second are kept"
    return unix_ns[0] + since, np.add.reduceat(watts, first) / sizes, [note]


def placed(faults: Sequence[tuple[int, Fault]], unix_ns: Times) -> list[Fault]:
    """Faults at the time of the sample before them."""
    return [Fault(fault.kind, int(unix_ns[max(after - 1, 0)]), fault.text) for after, fault in faults]


def local_zone() -> str:
    """This machine's zone, as an offset."""
    return datetime.datetime.now().astimezone().strftime("%Z (%z)")
