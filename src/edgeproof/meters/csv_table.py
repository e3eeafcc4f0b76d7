"""The text of a table: its encoding, delimiter, decimal comma and head found, its cells read as numbers and moments."""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeproof.errors import DocumentError

__all__ = ["Table", "number_of", "parse_time", "tabulate", "text_of"]

DELIMITERS = (";", "\t", ",", "|", " ")
"""Of two that fit as well, the first: a decimal comma is no delimiter, and a blank stands in moments and heads."""
HEAD_LINES = 60
LARGEST_BYTES = 2 << 30
COMMENT = "#"
CLOCKED = re.compile(r"^(?:(\d+):)?(\d{1,3}):(\d{2}(?:[.,]\d+)?)$")
DATES = ("%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S",
         "%m/%d/%Y %H:%M:%S.%f", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p")  # fmt: skip
NUMBER = re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?=\s*[a-zA-Zµμ%]*$)")


@dataclass(frozen=True)
class Table:
    """A table's text and how it is read.

    Attributes:
        head: a cell a column; numbers from 1 where there is no head.
        lines: of the text.
        first: the first that is a sample.
        delimiter: between cells.
        comma: whether decimals have a comma.
    """

    head: tuple[str, ...]
    lines: list[str]
    first: int
    delimiter: str
    comma: bool

    @property
    def sample(self) -> list[str]:
        """The cells of the first sample."""
        return cells_of(self.lines[self.first], self.delimiter)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The number of each line from the first sample on, and its cells; blank lines and remarks are left out."""
        delimiter = None if self.delimiter == " " else self.delimiter
        for at in range(self.first, len(self.lines)):
            line = self.lines[at]
            if '"' in line:
                yield at + 1, cells_of(line, self.delimiter)
            elif line and not line.isspace() and not line.startswith(COMMENT):
                yield at + 1, line.split(delimiter)


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
    lines = text.splitlines()
    top = [(number, line) for number, line in enumerate(lines[:HEAD_LINES]) if line.strip()]
    probe = [line.lstrip(COMMENT).strip() for _, line in top]
    delimiter = max(DELIMITERS, key=lambda known: (share_with(probe, known), -DELIMITERS.index(known)))
    rows = [(number, cells_of(line, delimiter)) for number, line in top]
    comma = delimiter != ","
    first = next((at for at, (_, cells) in enumerate(rows) if is_data(cells, comma)), None)
    if first is None:
        raise DocumentError("it has no row of numbers", hint="expected a table: a line a sample, a column of time")
    number, data = rows[first]
    width = len(data)
    above = next((cells for _, cells in reversed(rows[:first]) if len(cells) >= width and any(cells)), None)
    if above is None:
        head = [str(at + 1) for at in range(width)]
    else:
        head = [cell.lstrip(COMMENT).strip() or str(at + 1) for at, cell in enumerate(above[:width])]
    return Table(tuple(head), lines, number, delimiter, comma)


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
