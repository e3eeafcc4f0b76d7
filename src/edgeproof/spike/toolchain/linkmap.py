"""The map that GNU ld writes: which object brought how much to which section of the program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Piece", "read_map"]

BEGIN = "Linker script and memory map"
FOLDED = re.compile(r"^( ?[^\s(][^\s(]*)\n +(0x[0-9a-f]+ +0x[0-9a-f]+)", re.MULTILINE)
"""A name that is too long for its column stands in a line of its own."""
OUTPUT = re.compile(r"^(\S+) +0x[0-9a-f]+ +0x[0-9a-f]+(?: load address 0x[0-9a-f]+)?$")
INPUT = re.compile(r"^ (\S+) +0x[0-9a-f]+ +0x([0-9a-f]+)(?: +(\S.*))? *$")


@dataclass(frozen=True)
class Piece:
    """Some bytes of a section.

    Attributes:
        section: of the program.
        part: the section of the object, such as ``.text.main``; ``*fill*`` between two.
        origin: the object, or ``archive(object)``; empty for what fills gaps.
        size: bytes.
    """

    section: str
    part: str
    origin: str
    size: int


def read_map(text: str) -> Iterator[Piece]:
    """Every piece that is not empty, in the order of the map."""
    _, _, body = text.partition(BEGIN)
    section = ""
    for line in FOLDED.sub(r"\1 \2", body).splitlines():
        if found := OUTPUT.match(line):
            section = found[1]
        elif (found := INPUT.match(line)) and section and int(found[2], 16):
            origin = "" if found[1] == "*fill*" else (found[3] or "")
            yield Piece(section, found[1], origin, int(found[2], 16))
