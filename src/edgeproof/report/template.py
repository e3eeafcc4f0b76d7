"""The templates of the report and the runbook, opened one way: strict about names, HTML escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeproof.report.content import DECISIONS, DEVICE_TITLES, STATUS_TONES

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["templates"]


def templates() -> Environment:
    """A fresh template environment. Only ``.html`` templates escape by themselves; the others need filters."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("edgeproof.report"),
        autoescape=lambda name: name is not None and name.endswith((".html.j2", ".html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["device"] = DEVICE_TITLES.__getitem__
    environment.filters["decision"] = DECISIONS.__getitem__
    environment.filters["tone"] = STATUS_TONES.__getitem__
    return environment
