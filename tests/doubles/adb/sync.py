"""The file service of ``adbd``, first version: STAT, LIST, SEND, RECV. It knows files and folders, no links."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

__all__ = ["Sync"]

PIECE = 64 * 1024


class Wire(Protocol):
    """What it is asked and answers through."""

    given: asyncio.Queue[bytes]

    async def write(self, data: bytes) -> None: ...


class Sync:
    """One client's questions.

    Args:
        wire: the opened stream.
        here: a path of the phone as one of this machine.
        full: whether its disk has no room.
    """

    def __init__(self, wire: Wire, here: Callable[[str], Path], *, full: Callable[[], bool]) -> None:
        self._wire, self._here, self._full = wire, here, full
        self._held = b""

    async def _take(self, size: int) -> bytes:
        while len(self._held) < size:
            piece = await self._wire.given.get()
            if not piece:
                raise EOFError
            self._held += piece
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    async def serve(self) -> None:
        """Until the client says QUIT or leaves."""
        try:
            while True:
                kind, size = struct.unpack("<4sI", await self._take(8))
                if kind == b"QUIT":
                    return
                path = (await self._take(size)).decode()
                answer = {b"STAT": self._stat, b"LIST": self._list, b"SEND": self._send, b"RECV": self._receive}[kind]
                await answer(path)
        except EOFError:
            return

    async def _fail(self, text: str) -> None:
        await self._wire.write(struct.pack("<4sI", b"FAIL", len(text)) + text.encode())

    async def _stat(self, path: str) -> None:
        try:
            told = self._here(path).stat()
            found = (told.st_mode, told.st_size, int(told.st_mtime))
        except OSError:
            found = (0, 0, 0)
        await self._wire.write(struct.pack("<4sIII", b"STAT", *found))

    async def _list(self, path: str) -> None:
        folder = self._here(path)
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            told, name = entry.stat(), entry.name.encode()
            head = struct.pack("<4sIIII", b"DENT", told.st_mode, told.st_size, int(told.st_mtime), len(name))
            await self._wire.write(head + name)
        await self._wire.write(struct.pack("<4sIIII", b"DONE", 0, 0, 0, 0))

    async def _send(self, told: str) -> None:
        path, _, mode = told.rpartition(",")
        data = b""
        while True:
            kind, size = struct.unpack("<4sI", await self._take(8))
            if kind == b"DONE":
                break
            data += await self._take(size)
        if self._full():
            await self._fail("write failed: No space left on device")
            return
        try:
            file = self._here(path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            file.chmod(int(mode) & 0o777)
        except OSError as error:
            await self._fail(f"couldn't create file: {error.strerror}")
            return
        await self._wire.write(struct.pack("<4sI", b"OKAY", 0))

    async def _receive(self, path: str) -> None:
        try:
            data = self._here(path).read_bytes()
        except OSError as error:
            await self._fail(f"open failed: {error.strerror}")
            return
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            await self._wire.write(struct.pack("<4sI", b"DATA", len(piece)) + piece)
        await self._wire.write(struct.pack("<4sI", b"DONE", 0))
