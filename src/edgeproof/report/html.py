"""The report as one self-contained HTML file: no script, no font, no image from anywhere else."""

from __future__ import annotations

from edgeproof.report.content import Report
from edgeproof.report.template import templates

__all__ = ["render_html"]


def render_html(report: Report) -> str:
    """The report as HTML. Every text is escaped; the drawings are our own SVG and stand in the page as they are.

    Args:
        report: its parts.
    """
    environment = templates()
    css = environment.get_template("report.css.j2").render()
    return environment.get_template("report.html.j2").render(report=report, css=css)
