"""An Android phone's ``adbd`` on a port of this machine, for the real ``adb`` client and its real server.

It speaks ADB's transport (CNXN, AUTH, OPEN, OKAY, WRTE, CLSE), shell v2 and the first version of sync. Its shell runs
commands with this machine's ``sh`` in a folder that stands for ``/data/local/tmp``, programs for ARM by QEMU's user
mode; ``getprop`` and ``dumpsys`` say what a phone said. It leaves out TLS and pairing, USB, real authorization,
compression, ports that are forwarded, pseudo terminals, and all of Android below the shell.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.doubles.adb.sync import Sync

__all__ = ["Daemon", "Stream"]

HEADER = struct.Struct("<6I")
CNXN, AUTH, OPEN, OKAY, WRTE, CLSE = (
    int.from_bytes(name, "little") for name in b"CNXN AUTH OPEN OKAY WRTE CLSE".split()
)
VERSION, MOST = 0x01000001, 256 * 1024
STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
TMP = "/data/local/tmp"
ARM64 = 183


@dataclass(eq=False)
class Stream:
    """One service that the client has opened."""

    link: Link
    ours: int
    theirs: int
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    given: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)

    async def write(self, data: bytes) -> None:
        """In pieces, each after the one before was taken."""
        for at in range(0, len(data), MOST):
            self.ready.clear()
            self.link.send(WRTE, self.ours, self.theirs, data[at : at + MOST])
            await self.ready.wait()

    async def close(self) -> None:
        self.link.send(CLSE, self.ours, self.theirs)
        self.link.streams.pop(self.ours, None)


class Link:
    """One connection of a server."""

    def __init__(self, daemon: Daemon, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.daemon, self.reader, self.writer = daemon, reader, writer
        self.streams: dict[int, Stream] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.opened = 0

    def send(self, command: int, arg0: int, arg1: int, data: bytes = b"") -> None:
        if not self.writer.is_closing():
            self.writer.write(HEADER.pack(command, arg0, arg1, len(data), sum(data), command ^ 0xFFFFFFFF) + data)

    async def serve(self) -> None:
        try:
            while True:
                command, arg0, arg1, size, _, _ = HEADER.unpack(await self.reader.readexactly(HEADER.size))
                data = await self.reader.readexactly(size)
                if command == CNXN:
                    if self.daemon.authorized:
                        self.send(CNXN, VERSION, MOST, self.daemon.banner)
                    else:
                        self.send(AUTH, 1, 0, os.urandom(20))
                elif command == AUTH and arg0 == 2:
                    self.send(AUTH, 1, 0, os.urandom(20))
                elif command == OPEN:
                    self.open(arg0, data.rstrip(b"\x00").decode())
                elif (stream := self.streams.get(arg1)) is not None:
                    if command == OKAY:
                        stream.ready.set()
                    elif command == WRTE:
                        self.send(OKAY, stream.ours, stream.theirs)
                        stream.given.put_nowait(data)
                    elif command == CLSE:
                        self.send(CLSE, stream.ours, stream.theirs)
                        stream.ready.set()
                        stream.given.put_nowait(b"")
                        self.streams.pop(stream.ours, None)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for task in self.tasks:
                task.cancel()
            self.writer.close()

    def open(self, theirs: int, service: str) -> None:
        if self.daemon.breaks(service):
            self.writer.transport.abort()
            return
        self.opened += 1
        stream = self.streams[self.opened] = Stream(self, self.opened, theirs)
        self.send(OKAY, stream.ours, theirs)
        name, _, words = service.partition(":")
        work = self.daemon.shell(stream, name, words) if name.startswith("shell") else self.daemon.sync(stream)
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class Daemon:
    """The daemon in a thread of its own, in a ``with`` block.

    Args:
        folder: what stands for the phone: ``tmp`` for its ``/data/local/tmp``, ``bin`` for its commands, ``sys`` and
            ``proc`` for what it tells of itself.
        emulator: what runs programs for ARM.

    Attributes:
        port: of this machine.
        authorized: whether it takes the client's key.
        breaks: told each service that is opened, it says whether the link is lost there.
        asked: commands of its shell, in order.
    """

    def __init__(self, folder: Path, *, emulator: str = "qemu-aarch64-static") -> None:
        self.folder, self.emulator = folder, emulator
        self.authorized = True
        self.breaks: Callable[[str], bool] = lambda _service: False
        self.full = False
        self.asked: list[str] = []
        self.banner = (
            b"device::ro.product.name=panther;ro.product.model=Pixel 7;ro.product.device=panther;features=shell_v2"
        )
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()

    @property
    def tmp(self) -> Path:
        return self.folder / "tmp"

    def __enter__(self) -> Daemon:
        self.tmp.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def listen(self) -> None:
        """Take connections, at the port it had before."""

        async def begin() -> None:
            self._server = await asyncio.start_server(self._link, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

        asyncio.run_coroutine_threadsafe(begin(), self._loop).result(10)

    def hang_up(self) -> None:
        """Lose all connections, and take no more."""

        async def end() -> None:
            if self._server is not None:
                self._server.close()
            for writer in list(self._links):
                writer.transport.abort()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)

    def cut_after(self, seconds: float) -> None:
        """Lose the connections of now in a while, and take others."""

        def cut() -> None:
            for writer in list(self._links):
                writer.transport.abort()

        self._loop.call_soon_threadsafe(self._loop.call_later, seconds, cut)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._links.add(writer)
        await Link(self, reader, writer).serve()
        self._links.discard(writer)

    def here(self, text: str) -> str:
        """Paths of the phone as paths of this machine."""
        return re.sub(
            r"(?<![\w/])/(?=sys/|proc/(?:cpuinfo|meminfo))", f"{self.folder}/", text.replace(TMP, str(self.tmp))
        )

    def _command(self, words: str) -> str:
        """With QEMU in front of programs for ARM."""

        def started(found: re.Match[str]) -> str:
            path = Path(found[2])
            with contextlib.suppress(OSError), path.open("rb") as file:
                head = file.read(20)
                if head[:4] == b"\x7fELF" and int.from_bytes(head[18:20], "little") == ARM64:
                    return f"{found[1]}{self.emulator} {path}"
            return found[0]

        return re.sub(r"(^|[;&] *|\n *)(/[^\s;&]+)", started, self.here(words))

    async def shell(self, stream: Stream, name: str, words: str) -> None:
        """Run a command; with shell v2 its outputs come apart, and its exit code at the end."""
        self.asked.append(words)
        apart = name.startswith("shell,v2")
        environment = {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C"}
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", self._command(words), cwd=self.folder, env=environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE if apart else asyncio.subprocess.STDOUT,
        )  # fmt: skip

        async def bring(pipe: asyncio.StreamReader, kind: int) -> None:
            while data := await pipe.read(1 << 14):
                await stream.write(struct.pack("<BI", kind, len(data)) + data if apart else data)

        assert process.stdout is not None
        await bring(process.stdout, STDOUT)
        if process.stderr is not None:
            await bring(process.stderr, STDERR)
        code = await process.wait()
        if apart:
            await stream.write(struct.pack("<BIB", EXIT, 1, code if code >= 0 else 128 - code))
        await stream.close()

    async def sync(self, stream: Stream) -> None:
        """Files, as ``adb push`` and ``adb pull`` ask for them."""
        await Sync(stream, lambda path: Path(self.here(path)), full=lambda: self.full).serve()
        await stream.close()
