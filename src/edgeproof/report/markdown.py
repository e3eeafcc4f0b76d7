"""The report as Markdown: text and tables, with links to the drawings beside it. No images inside, no HTML."""

from __future__ import annotations

import re

from edgeproof.report.content import Cell, Column, Report, Table
from edgeproof.report.template import templates

__all__ = ["code", "plain", "render_markdown", "table"]

SPECIAL = re.compile(r"([\\`*_\[\]<>|#~$])")


def render_markdown(report: Report) -> str:
    """The report as GitHub-flavoured Markdown.

    Args:
        report: its parts; drawings are linked as ``plots/<name>.svg``.
    """
    environment = templates()
    environment.filters |= {"plain": plain, "code": code, "table": table}
    text = environment.get_template("report.md.j2").render(report=report)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def plain(text: str) -> str:
    """Text that means itself: one line, every mark of Markdown and HTML escaped."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Text as inline code, whatever backticks and pipes are in it; fit for a table's cell."""
    line = " ".join(text.split())
    fence = "`" * (max((len(run) for run in re.findall(r"`+", line)), default=0) + 1)
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{room}{line}{room}{fence}".replace("|", "\\|")


def table(given: Table) -> str:
    """A table with its footnotes as a list below."""
    lines = [
        "| " + " | ".join(head(column) for column in given.columns) + " |",
        "|" + "|".join("---:" if column.numeric else "---" for column in given.columns) + "|",
    ]
    lines += ["| " + " | ".join(cell(found) for found in row) + " |" for row in given.rows]
    if given.notes:
        lines += ["", *(f"{number}. {plain(note)}" for number, note in enumerate(given.notes, 1))]
    if given.folded:
        lines += ["", *(f"- Not measured: {plain(line)}" for line in given.folded)]
    return "\n".join(lines)


def head(column: Column) -> str:
    return f"{plain(column.title)} ({plain(column.unit)})" if column.unit else plain(column.title)


def cell(found: Cell) -> str:
    text = code(found.text) if found.tone == "name" else plain(found.text)
    return f"{text} ({found.note})" if found.note is not None else text
