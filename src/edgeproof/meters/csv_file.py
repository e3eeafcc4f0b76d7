"""A table that a meter's own program exported, as a trace: delimiter, head, decimal comma and times are found.

A row that is no numbers is a fault with its line. What was taken for granted stands in the trace's notes.
"""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeproof.documents.power import ClockOffset, Fault, PowerTrace
from edgeproof.errors import DocumentError, UsageError
from edgeproof.meters.csv_columns import Asked, Columns, TimeUnit, choose
from edgeproof.meters.traces import Times, Trace, Watts, gaps_of

__all__ = ["parse_time", "read_csv"]

DELIMITERS = (";", "\t", ",", "|", " ")
"""Of two that fit as well, the first: a decimal comma is no delimiter, and a blank stands in moments and heads."""
HEAD_LINES = 60
LARGEST_BYTES = 2 << 30
COMMENT = "#"
SECONDS: dict[TimeUnit, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
EPOCHS: tuple[tuple[float, TimeUnit], ...] = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (1e9, "s"))
"""A number as large is a unix time in that unit: after 2001, and no recording is that long."""
CLOCKED = re.compile(r"^(?:(\d+):)?(\d{1,3}):(\d{2}(?:[.,]\d+)?)$")
DATES = ("%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S",
         "%m/%d/%Y %H:%M:%S.%f", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p")  # fmt: skip
NUMBER = re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?=\s*[a-zA-Zµμ%]*$)")
MOST_BAD = 0.01
"""Share of rows that may be no numbers; more, and the table is of another kind."""
MOST_FAULTS = 200


@dataclass(frozen=True)
class Table:
    """Cells of a table.

    Attributes:
        head: a cell a column; numbers from 1 where there is no head.
        rows: with the line of each.
        comma: whether decimals have a comma.
    """

    head: tuple[str, ...]
    rows: list[tuple[int, list[str]]]
    comma: bool


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
    if times[0] < 1e9:  # counted from the first sample
        if starts_unix_ns is None:
            raise UsageError(
                f"the times of {file.name} count from its first sample, so nothing says which stretch was measured",
                hint="say when it began: --starts 2026-11-30T12:00:00Z; or --align to find the load by its edges",
            )
        times = times - times[0] + starts_unix_ns / 1e9
        notes.append("times count from the first sample, whose time was told")
    unix_ns = np.round(times * 1e9).astype(np.int64)
    document = PowerTrace(
        meter="csv",
        address=file.name,
        source=f"{file.name}: {columns.said}",
        count=len(unix_ns),
        begin_unix_ns=int(unix_ns[0]),
        end_unix_ns=int(unix_ns[-1]),
        clock=clock,
        gaps=gaps_of(unix_ns),
        faults=tuple(placed(faults, unix_ns)),
        notes=(columns.said, *notes),
        raw="",
        sha256="",
    )
    return Trace(document, unix_ns, watts)


def text_of(file: Path) -> str:
    """The file's text.

    Raises:
        DocumentError: it cannot be read, or is too large.
    """
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise DocumentError(f"{file} is larger than 2 GiB", hint="export fewer samples: 1,000 a second are plenty")
        data = file.read_bytes()
    except OSError as error:
        raise DocumentError(f"cannot read {file}: {error.strerror}") from error
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def tabulate(text: str) -> Table:
    """Delimiter, head and rows.

    Raises:
        DocumentError: there are no rows of numbers.
    """
    lines = [line.rstrip("\r\n") for line in text.splitlines()]
    probe = [line.lstrip(COMMENT).strip() for line in lines if line.strip()][:HEAD_LINES]
    delimiter = max(DELIMITERS, key=lambda known: (share_with(probe, known), -DELIMITERS.index(known)))
    rows = [(number, cells_of(line, delimiter)) for number, line in enumerate(lines, start=1) if line.strip()]
    comma = delimiter != ","
    first = next((at for at, (_, cells) in enumerate(rows) if is_data(cells, comma)), None)
    if first is None:
        raise DocumentError("it has no row of numbers", hint="expected a table: a line a sample, a column of time")
    width = len(rows[first][1])
    above = next((cells for _, cells in reversed(rows[:first]) if len(cells) >= width and any(cells)), None)
    if above is None:
        head = [str(number + 1) for number in range(width)]
    else:
        head = [cell.lstrip(COMMENT).strip() or str(number + 1) for number, cell in enumerate(above[:width])]
    body = [(number, cells) for number, cells in rows[first:] if not cells[0].startswith(COMMENT)]
    return Table(tuple(head), body, comma)


def cells_of(line: str, delimiter: str) -> list[str]:
    """A line's cells, without blanks around them."""
    (cells,) = csv.reader([line.strip()], delimiter=delimiter, skipinitialspace=True)
    return [cell.strip() for cell in cells]


def share_with(lines: Sequence[str], delimiter: str) -> float:
    """Which share of the lines, the head among them, falls in the usual number of columns; 0 where that is one."""
    counts = [len(cells_of(line, delimiter)) for line in lines]
    usual = max(set(counts), key=counts.count, default=1)
    return counts.count(usual) / len(counts) if usual > 1 else 0.0


def is_data(cells: Sequence[str], comma: bool) -> bool:
    """Whether a row is a sample: two cells at least, and half of them, are numbers or times."""
    if len(cells) < 2:
        return False
    good = [number_of(cell, comma) is not None or parse_time(cell) is not None for cell in cells]
    return sum(good) >= max(2, len(cells) / 2)


def number_of(cell: str, comma: bool) -> float | None:
    """A cell's number; a unit behind it is left away."""
    word = NUMBER.match(cell.replace(",", ".") if comma else cell)
    try:
        return float(word[0]) if word else None
    except ValueError:
        return None


def parse_time(cell: str) -> float | None:
    """A cell that is a moment or a time as ``h:mm:ss``: unix seconds, or seconds from the beginning. None: neither.

    A moment without a zone is taken for this machine's own.
    """
    clocked = CLOCKED.match(cell)
    if clocked:
        hours, minutes, seconds = clocked.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
    moment: datetime.datetime | None = None
    if re.match(r"^\d{4}-\d{2}-\d{2}[T ]\d", cell):
        try:
            moment = datetime.datetime.fromisoformat(cell.replace(",", "."))
        except ValueError:
            return None
    else:
        for form in DATES if re.match(r"^\d{1,4}[./]\d", cell) else ():
            try:
                moment = datetime.datetime.strptime(cell, form)
                break
            except ValueError:
                continue
    return None if moment is None else moment.timestamp()


def numbers(file: Path, table: Table, columns: Columns) -> tuple[Watts, Watts, list[tuple[int, Fault]], list[str]]:
    """Seconds, watts, faults with the place of the sample they follow, and notes.

    Raises:
        DocumentError: too few rows are samples, or the time goes back.
    """
    times: list[float] = []
    watts: list[float] = []
    lines: list[int] = []
    faults: list[tuple[int, Fault]] = []
    zoneless = bad = 0
    for line, cells in table.rows:
        moment, power = sample(cells, table, columns)
        if moment is None or power is None:
            bad += 1
            if len(faults) < MOST_FAULTS:
                faults.append((len(times), Fault("garbage", 0, f"line {line} is no sample: {', '.join(cells)[:60]}")))
            continue
        zoneless += not re.search(r"(?:Z|[+-]\d{2}:?\d{2})$", cells[columns.time]) and moment > 1e9
        times.append(moment)
        watts.append(power)
        lines.append(line)
    if len(times) < 2:
        raise DocumentError(f"{file} has {len(times)} samples", hint="are the columns the right ones? --time, --watts")
    if bad > max(1, MOST_BAD * len(table.rows)):
        raise DocumentError(
            f"{bad} of {len(table.rows)} rows of {file.name} are no samples, the first: {faults[0][1].text}",
            hint="are the columns the right ones? --time, --watts, --volts, --amps",
        )
    seconds, notes = scaled(np.array(times), columns, table)
    if zoneless and parse_time(table.rows[0][1][columns.time]) is not None:
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
    """A row's time, in its own unit, and watts."""
    if len(cells) <= max(columns.time, *(at for at, _ in columns.power)):
        return None, None
    cell = cells[columns.time]
    moment = parse_time(cell) if columns.time_unit in (None, "iso") or ":" in cell else None
    if moment is None:
        moment = number_of(cell, table.comma)
    power = columns.factor
    for at, scale in columns.power:
        value = number_of(cells[at], table.comma)
        if value is None:
            return moment, None
        power *= value * scale
    return moment, power


def scaled(times: Watts, columns: Columns, table: Table) -> tuple[Watts, list[str]]:
    """Times in seconds, and how their unit was found."""
    if parse_time(table.rows[0][1][columns.time]) is not None or columns.time_unit == "iso":
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


def placed(faults: Sequence[tuple[int, Fault]], unix_ns: Times) -> list[Fault]:
    """Faults at the time of the sample before them."""
    return [Fault(fault.kind, int(unix_ns[max(after - 1, 0)]), fault.text) for after, fault in faults]


def local_zone() -> str:
    """This machine's zone, as an offset."""
    return datetime.datetime.now().astimezone().strftime("%Z (%z)")
