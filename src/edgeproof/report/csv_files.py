"""The report's tables as CSV, one file a table: figures as they are, not rounded, their unit in the head.

RFC 4180, UTF-8. A figure that is missing is an empty cell; why stands in the last column.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping

from edgeproof.report.content import Cell, Column, Table

__all__ = ["csv_files", "csv_text"]

GROUPED = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula."""


def csv_files(tables: Iterable[Table]) -> Mapping[str, str]:
    """File name to text, in the tables' order.

    Args:
        tables: of a report; their ids are unique.
    """
    return {f"{table.id}.csv": csv_text(table) for table in tables}


def csv_text(table: Table) -> str:
    """One table; columns that have no figure at all are named in the last column of the first row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*map(head, table.columns), "not measured"])
    for at, row in enumerate(table.rows):
        absent = [
            f"{column.title}: {table.notes[cell.note - 1]}"
            for cell, column in zip(row, table.columns, strict=True)
            if cell.tone == "absent" and cell.note is not None
        ]
        writer.writerow([*map(value, row), "; ".join([*absent, *(table.folded if at == 0 else ())])])
    return out.getvalue()


def head(column: Column) -> str:
    unit = column.raw or column.unit
    return f"{column.title} ({unit})" if unit else column.title


def value(cell: Cell) -> str:
    """The cell's figure in full, or its text; a text from outside never starts a formula."""
    if cell.value is not None:
        return repr(cell.value)
    if cell.tone == "absent" and cell.note is not None:
        return ""
    if GROUPED.fullmatch(cell.text):
        return cell.text.replace(",", "")
    return f"'{cell.text}" if cell.text.startswith(FORMULA) and not is_number(cell.text) else cell.text


def is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(\.\d+)?(e-?\d+)?", text) is not None
