"""Just enough of a reader of Mach-O files to say what a linker for Apple's systems made."""

from __future__ import annotations

import struct
from dataclasses import dataclass

CPUS = {0x0100000C: "arm64", 0x01000007: "x86_64"}
TYPES = {1: "object", 2: "program", 6: "library"}
PLATFORMS = {1: "macos", 2: "ios", 7: "ios-simulator"}
SYMTAB, BUILD_VERSION, ID_DYLIB = 0x2, 0x32, 0xD


@dataclass(frozen=True)
class MachO:
    cpu: str
    kind: str
    platform: str
    identifier: str
    exported: frozenset[str]
    undefined: frozenset[str]


def read(data: bytes) -> MachO:
    """A 64-bit file; fails where it is none."""
    magic, cpu, _, kind, commands, _ = struct.unpack_from("<6I", data)
    assert magic == 0xFEEDFACF
    at, platform, identifier = 32, "", ""
    exported, undefined = set(), set()
    for _ in range(commands):
        command, size = struct.unpack_from("<2I", data, at)
        if command == BUILD_VERSION:
            platform = PLATFORMS[struct.unpack_from("<I", data, at + 8)[0]]
        elif command == ID_DYLIB:
            identifier = text(data, at + struct.unpack_from("<I", data, at + 8)[0])
        elif command == SYMTAB:
            symbols, count, strings, _ = struct.unpack_from("<4I", data, at + 8)
            for place in range(symbols, symbols + 16 * count, 16):
                name, flags, _, _, _ = struct.unpack_from("<IBBHQ", data, place)
                external, hidden, where = flags & 1, flags & 0x10, flags & 0x0E
                if external and not hidden:
                    (exported if where else undefined).add(text(data, strings + name))
        at += size
    return MachO(CPUS[cpu], TYPES[kind], platform, identifier, frozenset(exported), frozenset(undefined))


def text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()
