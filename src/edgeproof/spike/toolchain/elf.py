"""What an ELF file says of itself: the sections that are loaded, and the named things in them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edgeproof.errors import ConversionError

__all__ = ["Section", "Symbol", "read_sections", "read_symbols"]

WRITE, ALLOC = 0x1, 0x2
NOBITS, SYMTAB = 8, 2
OBJECT, FUNCTION = 1, 2


@dataclass(frozen=True)
class Section:
    """One section; the fields are those of the section header (System V gABI, "Sections")."""

    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int

    @property
    def is_loaded(self) -> bool:
        """Whether it takes memory while the program runs."""
        return bool(self.flags & ALLOC)

    @property
    def is_in_flash(self) -> bool:
        """Whether its content is kept where the program is stored."""
        return self.is_loaded and self.kind != NOBITS

    @property
    def is_in_ram(self) -> bool:
        """Whether it can be written."""
        return self.is_loaded and bool(self.flags & WRITE)


@dataclass(frozen=True)
class Symbol:
    """A function or an object with its size in bytes and the section it is in."""

    name: str
    size: int
    section: str


def read_sections(data: bytes) -> list[Section]:
    """The section headers of a little-endian file of 32 or 64 bits.

    Raises:
        ConversionError: not such a file.
    """
    if data[:4] != b"\x7fELF" or data[5:6] != b"\x01":
        raise ConversionError("the compiler made something else than a little-endian ELF file")
    wide = data[4] == 2
    place = struct.unpack_from("<Q", data, 40)[0] if wide else struct.unpack_from("<I", data, 32)[0]
    size, count, names_at = struct.unpack_from("<HHH", data, 58 if wide else 46)
    layout = "<IIQQQQII" if wide else "<IIIIIIII"
    rows = [struct.unpack_from(layout, data, place + i * size) for i in range(count)]
    names = rows[names_at][4]
    # name, type, flags, address, offset, size, link, info
    return [Section(_text(data, names + row[0]), row[1], row[2], row[4], row[5], row[6]) for row in rows]


def read_symbols(data: bytes) -> list[Symbol]:
    """The functions and objects that have a size, largest first.

    Raises:
        ConversionError: as in ``read_sections``.
    """
    sections = read_sections(data)
    wide = data[4] == 2
    found: set[Symbol] = set()
    for table in (section for section in sections if section.kind == SYMTAB):
        names = sections[table.link].offset
        for at in range(table.offset, table.offset + table.size, 24 if wide else 16):
            if wide:
                name, info, _, where, _, size = struct.unpack_from("<IBBHQQ", data, at)
            else:
                name, _, size, info, _, where = struct.unpack_from("<IIIBBH", data, at)
            if info & 15 in (OBJECT, FUNCTION) and size and 0 < where < len(sections):
                found.add(Symbol(_text(data, names + name), size, sections[where].name))
    return sorted(found, key=lambda symbol: (-symbol.size, symbol.name))


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()
