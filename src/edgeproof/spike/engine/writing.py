"""Lines of C: blocks, comments, and lines that are not too long."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

__all__ = ["block", "comment", "loop", "quoted", "said", "text"]

WIDTH = 116
LONGEST_NAME = 60


def block(head: str, body: Sequence[str]) -> list[str]:
    """The body in braces."""
    return [f"{head} {{".lstrip(), *(f"  {line}" for line in body), "}"]


def loop(head: str, body: Sequence[str]) -> list[str]:
    """The body under a ``for`` or ``if``; in braces unless it is one statement."""
    nested = len(body) == 1 or (
        body[0].startswith(("for (", "if (")) and all(line.startswith(" ") for line in body[1:])
    )
    return [head, *(f"  {line}" for line in body)] if nested else block(head, body)


def comment(lines: Sequence[str]) -> list[str]:
    """A comment of one or several lines."""
    if len(lines) == 1:
        return [f"/* {lines[0]} */"]
    return [f"/* {lines[0]}", *(f" * {line}".rstrip() for line in lines[1:]), " */"]


def said(name: str) -> str:
    """A name as it may stand in a comment."""
    plain = re.sub(r"[^A-Za-z0-9_.\- ]", "_", name)
    return plain if len(plain) <= LONGEST_NAME else plain[: LONGEST_NAME - 3] + "..."


def quoted(words: str) -> str:
    """A string as C writes it; question marks would begin trigraphs."""
    return '"' + words.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?") + '"'


def text(lines: Sequence[str], indent: int = 0) -> str:
    """The lines one below the other, folded where they are too long."""
    return "\n".join(part for line in lines for part in _folded(" " * indent + line))


def _folded(line: str) -> Iterator[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    while len(line) > WIDTH:
        at = max(line.rfind(", ", 0, WIDTH), line.rfind(" ? ", 0, WIDTH), line.rfind(" = ", 0, WIDTH) + 1)
        if at <= len(indent) or line.lstrip().startswith(("/*", "*", "#")):
            break
        yield line[: at + 1].rstrip()
        line = indent + line[at + 1 :].lstrip()
    yield line
