"""One client's connection: HTTP/1.1 as it arrives, held to the server's limits, one request answered after the other.

httptools parses. What passes a limit is refused with an answer that says so, and the connection is closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import httptools

from edgeproof.serve.access import matches
from edgeproof.serve.holding import error_body

if TYPE_CHECKING:
    from edgeproof.serve.connections import Connections

__all__ = ["JSON", "Connection", "Request", "Routes"]

LINGER_SECONDS = 2.0
"""After a refusal what still comes is thrown away: to close at once would reset what the client has not read yet."""
IDLE, HEAD, BODY = range(3)
"""What a connection is in the middle of receiving."""
KEPT = frozenset(
    (b"authorization", b"content-encoding", b"content-length", b"expect", b"inference-header-content-length")
)
"""Headers that are looked at."""
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
JSON = b"content-type: application/json\r\n"
CLOSE = b"connection: close\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Request(NamedTuple):
    """One that is whole.

    Attributes:
        method: in capitals.
        url: as it was sent: path, and query if there is one.
        headers: those in ``KEPT``, by their names in small letters.
        body: of it.
        keep_alive: whether more may come on its connection.
    """

    method: bytes
    url: bytes
    headers: dict[bytes, bytes]
    body: bytes
    keep_alive: bool


class Routes(Protocol):
    """Who answers."""

    def handle(self, request: Request, connection: Connection) -> None:
        """Have ``connection.answer`` called once, now or later."""
        ...

    def forget(self, connection: Connection) -> None:
        """The client has left, and its answer is not waited for."""
        ...


class _Refused(Exception):
    """Stops the parser."""


class Connection(asyncio.Protocol):
    """One client's.

    Args:
        connections: all of them, with their limits.
        routes: who answers.
        loop: in which it lives.
    """

    def __init__(self, connections: Connections, routes: Routes, loop: asyncio.AbstractEventLoop) -> None:
        self._all, self._limits, self._routes, self._loop = connections, connections.limits, routes, loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._part = self._waited_part = IDLE
        self._outside_bytes = self._chunk_bytes = 0
        self._body_bytes = self._seen_body_bytes = self._held_bytes = 0
        self._url = b""
        self._head_bytes = self._header_count = 0
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self.waits_for: Any = None
        """What its routes keep of the request that is being answered."""
        self._answering: Request | None = None
        self._ahead: deque[Request] = deque()
        self._write_paused = self._refused = False
        self._feeding = self._begun = self._ended = False
        self._refusal: tuple[int, str, str] | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._all.enter(self, self._loop):
            self._waited_part = HEAD
            self._all.wait_for(self, self._limits.request_seconds)
        else:
            self._refuse(503, "connections", f"all {self._limits.connections} connections are being answered")

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.leave(self)
        self._hold(0)
        self._transport = None
        self._ahead.clear()
        if self._answering is not None:
            self._routes.forget(self)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._chunk_bytes = len(data)
        self._feeding, self._begun = True, False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "syntax", "this server speaks HTTP/1.1 and upgrades to nothing else")
        except httptools.HttpParserError:
            self._refuse(*(self._refusal or (400, "syntax", "what was sent is not an HTTP/1.1 request")))
        self._feeding = False
        if self._ahead and not self._refused:
            self._go_on()
        if self._part != IDLE:
            self._received_a_part()
            return
        self._outside_bytes = 0
        if self._answering is not None and not self._write_paused:
            self._all.answer(self)

    def eof_received(self) -> bool:
        """The client sends no more; what it has asked is answered, where it may still hear it."""
        self._ended = True
        return self._answering is not None and self._transport is not None and self._transport.can_write_eof()

    def pause_writing(self) -> None:
        """The client does not take its answers: no further request of it is looked at until it does."""
        self._write_paused = True
        assert self._transport is not None
        self._transport.pause_reading()
        waiting_bytes = self._transport.get_write_buffer_size()
        self._all.wait_for(self, self._limits.request_seconds + waiting_bytes / self._limits.bytes_per_second)

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._go_on()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._part = HEAD
        self._url = b""
        self._headers = {}
        self._head_bytes = self._header_count = 0

    def on_url(self, url: bytes) -> None:
        self._url = self._url + url if self._url else url
        self._head_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        self._head_bytes += len(name) + len(value)
        name = name.lower()
        if name in KEPT:
            self._headers.setdefault(name, value)

    def on_headers_complete(self) -> None:
        limits = self._limits
        if self._header_count > limits.headers or self._head_bytes > limits.head_bytes:
            self._stop(*self._long_head())
        if self._all.token is not None and not matches(self._headers.get(b"authorization"), self._all.token):
            self._stop(401, "token", "this server asks for its token: Authorization: Bearer TOKEN")
        if len(self._ahead) >= limits.pipelined:
            ahead = f"more than {limits.pipelined} requests were sent ahead of their answers"
            self._stop(429, "pipelined", ahead)
        self._part, self._body_bytes, self._seen_body_bytes, self._body = BODY, 0, 0, []
        if self._headers.get(b"expect", b"").lower() == b"100-continue" and self._answering is None:
            length = int(self._headers.get(b"content-length", b"0"))
            if length > limits.body_bytes:
                self._stop(*self._long_body(length))
            assert self._transport is not None
            self._transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._stop(*self._long_body(self._body_bytes))
        self._body.append(body)

    def on_message_complete(self) -> None:
        parser, body = self._parser, self._body
        self._part = IDLE
        self._outside_bytes = -self._chunk_bytes  # what begins in the same chunk counts from the next one on
        whole = body[0] if len(body) == 1 else b"".join(body)
        self._body = []
        came = Request(parser.get_method(), self._url, self._headers, whole, parser.should_keep_alive())
        if self._answering is None and not self._ahead and not self._write_paused and not self._begun:
            self._begun = True
            self._begin(came)
        else:
            self._ahead.append(came)

    # What the server calls.

    def answer(self, status: int, body: Any, headers: bytes = JSON) -> None:
        """Answer the request that ``Routes.handle`` was given.

        Args:
            status: HTTP's.
            body: of the answer.
            headers: whole lines, that of its content type among them.
        """
        came, transport = self._answering, self._transport
        self._answering = None
        if came is None or transport is None or transport.is_closing() or self._refused:
            return
        if came.method == b"HEAD":
            headers, body = headers + b"content-length: %d\r\n" % len(body), None
        if self._all.ending or not came.keep_alive or (self._ended and not self._ahead):
            transport.write(whole(status, body, headers + CLOSE))
            self._all.wait_for(self, self._limits.request_seconds)  # until the client has taken what was written
            transport.close()
            return
        transport.write(whole(status, body, headers))
        self._go_on()

    @property
    def owed(self) -> bool:
        """Whether a whole request of it is not answered, or an answer is not taken yet."""
        return self._answering is not None or (self._transport is not None and self._transport.is_closing())

    def close_unless_owed(self) -> None:
        """Close it, where the server owes it nothing."""
        if not self.owed and self._transport is not None:
            self._transport.close()

    def late(self) -> None:
        """The client has let the server wait for too long."""
        if self._refused or self._part == IDLE:
            if self._write_paused:
                self._all.count("slow")
            self.drop()
        else:
            part = "head" if self._part == HEAD else "body"
            self._refuse(408, "slow", f"the request's {part} was not whole after {self._limits.request_seconds:g} s")

    def drop(self) -> None:
        """Close it without a word."""
        self._all.leave(self)
        if self._transport is not None:
            self._transport.abort()

    # What it does by itself.

    def _begin(self, came: Request) -> None:
        self._answering = came
        self._routes.handle(came, self)

    def _go_on(self) -> None:
        """Begin with the next request that is whole, where the client takes its answers; of those that come together
        only the first is begun before all are parsed, so that they are counted."""
        if self._ahead and self._answering is None and not self._write_paused and not self._feeding:
            self._begin(self._ahead.popleft())
        self._turn()

    def _turn(self) -> None:
        """Something was answered or taken: see who waits for whom now."""
        if self._write_paused:
            return
        if self._answering is not None:
            self._all.answer(self)
            return
        self._hold(0)
        self._waited_part = self._part
        self._all.wait_for(self, self._limits.idle_seconds if self._part == IDLE else self._limits.request_seconds)

    def _received_a_part(self) -> None:
        """More of a request that is not whole yet: what it takes so far, and until when the rest has to be there."""
        limits = self._limits
        if self._refused:
            return
        body_bytes = self._body_bytes if self._part == BODY else 0
        more_bytes, self._seen_body_bytes = body_bytes - self._seen_body_bytes, body_bytes
        self._outside_bytes = 0 if more_bytes else self._outside_bytes + self._chunk_bytes
        if self._outside_bytes > limits.head_bytes:
            self._refuse(*self._long_head())
            return
        if self._part != self._waited_part:
            length = int(self._headers.get(b"content-length", b"0")) if self._part == BODY else 0
            if length > limits.body_bytes:
                self._refuse(*self._long_body(length))
                return
            if self._answering is None:
                self._turn()
        if self._hold(body_bytes) > limits.bodies_bytes:
            self._refuse(503, "memory", f"requests of {limits.bodies_bytes} bytes wait for their answers already")
            return
        self._all.extend(self, more_bytes / limits.bytes_per_second)

    def _hold(self, body_bytes: int) -> int:
        """Bytes of all bodies that came in parts, now that there are so many of this connection's."""
        self._all.body_bytes += body_bytes - self._held_bytes
        self._held_bytes = body_bytes
        return self._all.body_bytes

    def _long_head(self) -> tuple[int, str, str]:
        most = self._limits
        may = f"it may have {most.head_bytes} bytes, {most.headers} headers"
        return 431, "head", f"the request's head is too long; {may}"

    def _long_body(self, length: int) -> tuple[int, str, str]:
        most = self._limits.body_bytes
        return 413, "body", f"the request body has {length} bytes or more; this server takes {most} for its models"

    def _stop(self, status: int, reason: str, message: str) -> None:
        """Refuse from within the parser."""
        self._refusal = status, reason, message
        raise _Refused

    def _refuse(self, status: int, reason: str, message: str) -> None:
        """Answer with an error, if nothing else is being answered, and take nothing more."""
        if self._refused:
            return
        self._refused = True
        transport = self._transport
        if transport is not None and transport.is_closing():
            return  # what comes after the last request of a connection is nobody's
        self._all.count(reason)
        if self._answering is not None or self._ahead or self._write_paused or transport is None:
            self.drop()
            return
        self._hold(0)
        self._body = []
        asks = b"www-authenticate: Bearer\r\n" if status == 401 else b""
        transport.write(whole(status, error_body(message), JSON + asks + CLOSE))
        if self._all.has(self):
            if transport.can_write_eof():
                transport.write_eof()
            self._all.wait_for(self, LINGER_SECONDS)
        else:
            transport.close()


def whole(status: int, body: Any, headers: bytes) -> bytes:
    """An answer as it goes over the wire; a body of None is told of in the headers, and not sent."""
    if body is None:
        return b"%b%b\r\n" % (STATUS_LINES[status], headers)
    return b"%b%bcontent-length: %d\r\n\r\n%b" % (STATUS_LINES[status], headers, len(body), body)
