"""A matplotlib drawing made fit for a page: sentinel colours become CSS, ids become unique, nothing refers outside.

Drawings are made in sentinel colours; here text and axes turn into ``currentColor`` and the rest into CSS variables,
so that one drawing serves light and dark.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

__all__ = ["INK", "PALETTE", "RULE", "SURFACE", "alone", "inline"]

INK, RULE, SURFACE = "#010203", "#010204", "#fefefd"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#80868f")
"""Okabe and Ito, Color Universal Design (2008); without yellow, which white swallows, and grey in black's place."""

LIGHT = {"surface": "#ffffff", "rule": "#d4d7db", "ink": "#1a1c1f"}
DARK = {"surface": "#16181b", "rule": "#3a3e45", "ink": "#e9eaec"}
STYLE = (
    "svg{{color:{ink};--surface:{surface};--rule:{rule};"
    "font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}}"
)


def inline(drawing: str, *, name: str, title: str, description: str) -> str:
    """The drawing to stand inside an HTML page that sets ``--surface`` and ``--rule``.

    Args:
        drawing: SVG as matplotlib writes it.
        name: prefix for ids; unique in the page.
        title: short accessible name.
        description: what the drawing shows, in words.
    """
    body = drawing[drawing.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    body = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', body)
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = body.replace(INK, "currentColor").replace(RULE, "var(--rule)").replace(SURFACE, "var(--surface)")
    box = re.search(r'viewBox="[^"]+"', body)
    head = (
        f'<svg {box.group(0) if box else ""} role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    )
    body = re.sub(r"<svg[^>]*>", lambda _: head, body, count=1)
    return re.sub(r"\s*\n\s*", "\n", body).strip()


def alone(inlined: str) -> str:
    """An inlined drawing as a file of its own: with its namespace, background, and colours for light and dark."""
    style = (
        f"<style>{STYLE.format(**LIGHT)}@media (prefers-color-scheme:dark){{{STYLE.format(**DARK)}}}</style>"
        '<rect width="100%" height="100%" fill="var(--surface)"/>'
    )
    spaced = inlined.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + spaced.replace("</desc>", f"</desc>{style}", 1) + "\n"
