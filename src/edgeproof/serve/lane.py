"""How the front of a server reaches the process that holds a model: one exchange at a time over a socket pair. What is
long lies in memory that both have, and is not sent.

A message is a head and what follows it: ``status`` (0 in a question, HTTP's in an answer), bytes of JSON at the
beginning of the body or ``NO_JSON``, bytes of the body, ns of the inference.
"""

from __future__ import annotations

import mmap
import os
import socket
import struct
from typing import Any, NamedTuple

__all__ = ["INLINE_BYTES", "Lane", "LaneClosed", "Memory", "Message", "lane_pair", "over_socket"]

HEAD = struct.Struct("<HQQQ")
NO_JSON = (1 << 64) - 1
INLINE_BYTES = 32 << 10
"""Of a body that is sent: a socket has room for more than twice as much, so that sending never waits."""
CHUNK_BYTES = INLINE_BYTES + HEAD.size


class LaneClosed(Exception):
    """The other end is gone."""


class Message(NamedTuple):
    """One way of an exchange.

    Attributes:
        status: 0 in a question; HTTP's in an answer.
        body: valid until the next message is sent on this lane.
        json_bytes: of JSON at its beginning, the rest being tensors in binary; None: it is JSON alone.
        spent_ns: of the model's call, in an answer.
    """

    status: int
    body: Any
    json_bytes: int | None = None
    spent_ns: int = 0


class Memory:
    """Memory that two processes have, of a size that grows.

    Args:
        number: descriptor of the file behind it.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._map: mmap.mmap | None = None

    @classmethod
    def made(cls) -> Memory:
        """Empty."""
        if hasattr(os, "memfd_create"):
            return cls(os.memfd_create("edgeproof-lane", os.MFD_CLOEXEC))
        import tempfile

        number, path = tempfile.mkstemp()
        os.unlink(path)  # noqa: PTH108
        return cls(number)

    def room(self, size: int) -> memoryview:
        """At least so many bytes of it."""
        if self._map is None or len(self._map) < size:
            whole = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
            if os.fstat(self.number).st_size < whole:
                os.ftruncate(self.number, whole)
            self._map = mmap.mmap(self.number, whole)
        return memoryview(self._map)[:size]

    def close(self) -> None:
        """Let go of it; what still looks at it keeps it."""
        self._map = None
        os.close(self.number)


class Lane:
    """One end.

    Args:
        end: of a stream of this machine's.
        memory: that the other end has too.
    """

    def __init__(self, end: socket.socket, memory: Memory) -> None:
        self.socket, self.memory = end, memory
        self._got = b""

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            LaneClosed: the other end is gone.
        """
        body, size = message.body, len(message.body)
        json_bytes = NO_JSON if message.json_bytes is None else message.json_bytes
        head = HEAD.pack(message.status, json_bytes, size, message.spent_ns)
        try:
            if size <= INLINE_BYTES:
                self.socket.sendall(b"".join((head, body)))
            else:
                self.memory.room(size)[:] = body
                self.socket.sendall(head)
        except OSError as error:
            raise LaneClosed from error

    def receive(self) -> Message | None:
        """What has come, once a message is whole; None where it is not, on a socket that does not wait, or no longer.

        Raises:
            LaneClosed: the other end is gone.
        """
        while True:
            try:
                data = self.socket.recv(CHUNK_BYTES)
            except (BlockingIOError, TimeoutError):
                return None
            except OSError as error:
                raise LaneClosed from error
            if not data:
                raise LaneClosed
            self._got = self._got + data if self._got else data
            message = self._whole()
            if message is not None:
                return message

    def close(self) -> None:
        """Let go of it."""
        self.socket.close()
        self.memory.close()

    def _whole(self) -> Message | None:
        got = self._got
        if len(got) < HEAD.size:
            return None
        status, json_bytes, size, spent_ns = HEAD.unpack_from(got)
        body: Any
        if size > INLINE_BYTES:
            body = self.memory.room(size)
        elif len(got) - HEAD.size < size:
            return None
        else:
            body = memoryview(got)[HEAD.size :]
        self._got = b""
        return Message(status, body, None if json_bytes == NO_JSON else json_bytes, spent_ns)


def lane_pair() -> tuple[Lane, socket.socket, int]:
    """A lane, the socket of its other end, and the descriptor of its memory."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    memory = Memory.made()
    return Lane(here, memory), there, memory.number


def over_socket(end: socket.socket) -> Lane:
    """The other end: its memory comes first.

    Raises:
        LaneClosed: nobody is there.
    """
    _, numbers, _, _ = socket.recv_fds(end, 1, 1)
    if not numbers:
        raise LaneClosed
    return Lane(end, Memory(numbers[0]))
