"""Pages as one self-contained HTML file: no font, no image, and no script but its own few lines.

The page's policy lets that script run by its digest and nothing else, so that no text of a run can.
"""

from __future__ import annotations

import base64
import hashlib
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from edgeproof.report.content import Cell, Column, Report, Table
from edgeproof.report.template import templates

if TYPE_CHECKING:
    from edgeproof.report.comparison_page import ComparisonPage

__all__ = ["render_comparison", "render_html"]


class Span(NamedTuple):
    """Cells of one row that stand side by side and say the same of a missing figure."""

    cell: Cell
    column: Column
    width: int


def render_html(report: Report) -> str:
    """The report as HTML. Every text is escaped; the drawings are our own SVG and stand in the page as they are.

    Args:
        report: its parts.
    """
    return page("report.html.j2", report)


def render_comparison(comparison: ComparisonPage) -> str:
    """A comparison of two runs as HTML.

    Args:
        comparison: its parts.
    """
    return page("comparison.html.j2", comparison)


def page(template: str, report: object) -> str:
    environment = templates()
    environment.filters["spans"] = spans
    css = environment.get_template("report.css.j2").render()
    script = "\n" + environment.get_template("report.js").render() + "\n"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(report=report, css=css, script=script, digest=digest)


def spans(table: Table) -> list[list[Span]]:
    """The rows, with neighbours that are missing for the same reason in one cell."""
    return [
        [
            Span(*members[0], len(members))
            for _, group in groupby(enumerate(zip(row, table.columns, strict=True)), lambda found: kind(*found))
            if (members := [pair for _, pair in group])
        ]
        for row in table.rows
    ]


def kind(at: int, pair: tuple[Cell, Column]) -> object:
    cell, _ = pair
    return (cell.text, cell.note) if cell.tone == "absent" and at > 0 else at
