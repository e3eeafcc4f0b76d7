"""Connections of a server, held to its limits where their bytes arrive: uvicorn's protocol has none of its own.

What passes a limit is refused with an answer that says so, and the connection is closed.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from edgeproof.serve.access import matches
from edgeproof.serve.connections import Connections

__all__ = ["LimitedConnection"]

LINGER_SECONDS = 2.0
"""After a refusal what still comes is thrown away: to close at once would reset what the client has not read yet."""
IDLE, HEAD, BODY = range(3)
"""What a connection is in the middle of receiving."""


class _Refused(Exception):
    """Stops the parser."""


class LimitedConnection(HttpToolsProtocol):
    """One client's connection, one request after the other.

    Args:
        connections: all of them, with their limits.
        config: uvicorn's, and so are the others.
    """

    def __init__(
        self,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all, self._limits = connections, connections.limits
        self._part = IDLE
        self._outside_bytes = self._chunk_bytes = 0
        self._short_heads = False
        self._body_bytes = self._seen_body_bytes = self._held_bytes = 0
        self._waited_part = HEAD
        self._refused = False
        self._refusal: tuple[int, str, str] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._all.enter(self, self.loop):
            self._all.wait_for(self, self._limits.request_seconds)
        else:
            self._refuse(503, "connections", f"all {self._limits.connections} connections are being answered")

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.leave(self)
        self._hold(0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._chunk_bytes = len(data)
        self._short_heads = self._part == IDLE and len(data) <= self._limits.head_bytes
        HttpToolsProtocol.data_received(self, data)
        if self._part != IDLE:
            self._received_a_part()
            return
        self._outside_bytes = 0
        if not self._at_rest() and not self.flow.write_paused:
            self._all.answer(self)

    def on_message_begin(self) -> None:
        HttpToolsProtocol.on_message_begin(self)
        self._part = HEAD

    def on_headers_complete(self) -> None:
        limits = self._limits
        if len(self.headers) > limits.headers:
            self._stop(*self._long_head())
        if not self._short_heads:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > limits.head_bytes:
                self._stop(*self._long_head())
        if self._all.token is not None and not matches(self._header(b"authorization"), self._all.token):
            self._stop(401, "token", "this server asks for its token: Authorization: Bearer TOKEN")
        if len(self.pipeline) >= limits.pipelined:
            ahead = f"more than {limits.pipelined} requests were sent ahead of their answers"
            self._stop(429, "pipelined", ahead)
        self._part, self._body_bytes, self._seen_body_bytes = BODY, 0, 0
        HttpToolsProtocol.on_headers_complete(self)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._stop(*self._long_body(self._body_bytes))
        HttpToolsProtocol.on_body(self, body)

    def on_message_complete(self) -> None:
        self._part = IDLE
        self._outside_bytes = -self._chunk_bytes  # what begins in the same chunk counts from the next one on
        HttpToolsProtocol.on_message_complete(self)

    def on_response_complete(self) -> None:
        """As uvicorn's, without its timer for the next request: ``Connections`` has one for all, and a timer made and
        cancelled with every request costs more than the limits do."""
        self.server_state.total_requests += 1
        if self._refused:
            return
        if self.transport.is_closing():  # once the client has taken what was written
            self._all.wait_for(self, self._limits.request_seconds)
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        self._turn()

    def pause_writing(self) -> None:
        super().pause_writing()
        waiting_bytes = self.transport.get_write_buffer_size()
        self._all.wait_for(self, self._limits.request_seconds + waiting_bytes / self._limits.bytes_per_second)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._turn()

    def send_400_response(self, msg: str) -> None:
        """What the parser could not go on with: a refusal of ours, or a request that is no HTTP."""
        self._refuse(*(self._refusal or (400, "syntax", "what was sent is not an HTTP/1.1 request")))

    def shutdown(self) -> None:
        """A request that runs is answered first; one that is not whole is not waited for."""
        super().shutdown()
        if self._refused or (self._part != IDLE and self._clients_turn()):
            self.drop()

    def late(self) -> None:
        """The client has let the server wait for too long."""
        if self._refused or self._part == IDLE:
            if self.flow.write_paused:
                self._all.count("slow")
            self.drop()
        else:
            part = "head" if self._part == HEAD else "body"
            self._refuse(408, "slow", f"the request's {part} was not whole after {self._limits.request_seconds:g} s")

    def drop(self) -> None:
        """Close it without a word."""
        self._all.leave(self)
        self.transport.abort()

    def _at_rest(self) -> bool:
        """Whether every request whose head is whole is answered."""
        return self.cycle is None or self.cycle.response_complete

    def _clients_turn(self) -> bool:
        """Whether the server has nothing to answer until more is received."""
        return self._at_rest() or (self._part == BODY and not self.pipeline)

    def _turn(self) -> None:
        """Something was answered or taken: see who waits for whom now."""
        if self.flow.write_paused:
            return
        if not self._clients_turn():
            self._all.answer(self)
            return
        if self._at_rest():
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
            length = (self._header(b"content-length") or b"0") if self._part == BODY else b"0"
            if int(length) > limits.body_bytes:
                self._refuse(*self._long_body(int(length)))
                return
            if self._clients_turn():
                self._turn()
        if self._hold(body_bytes) > limits.bodies_bytes:
            self._refuse(503, "memory", f"requests of {limits.bodies_bytes} bytes wait for their answers already")
            return
        self._all.extend(self, more_bytes / limits.bytes_per_second)

    def _header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    def _hold(self, body_bytes: int) -> int:
        """Bytes of all bodies that came in parts, now that there are so many of this connection's."""
        self._all.body_bytes += body_bytes - self._held_bytes
        self._held_bytes = body_bytes
        return self._all.body_bytes

    def _long_head(self) -> tuple[int, str, str]:
        most = self._limits
        return (
            431,
            "head",
            f"the request's head is too long; it may have {most.head_bytes} bytes, {most.headers} headers",
        )

    def _long_body(self, length: int) -> tuple[int, str, str]:
        most = self._limits.body_bytes
        return 413, "body", f"the request body has {length} bytes or more; this server takes {most} for its model"

    def _stop(self, status: int, reason: str, message: str) -> None:
        """Refuse from within the parser."""
        self._refusal = status, reason, message
        raise _Refused

    def _refuse(self, status: int, reason: str, message: str) -> None:
        """Answer with an error, if nothing else is being answered, and take nothing more."""
        self._refused = True
        self._all.count(reason)
        if not self._clients_turn() or self.flow.write_paused:
            self.drop()
            return
        if not self._at_rest():  # who waits for the rest of the body hears that it will not come
            self.cycle.disconnected, self.cycle.waiting_for_100_continue = True, False
            self.cycle.message_event.set()
        self._hold(0)
        body = msgspec.json.encode({"error": message})
        asks = b"www-authenticate: Bearer\r\n" if status == 401 else b""
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
            + asks
            + b"connection: close\r\n\r\n"
            + body
        )
        if self._all.has(self):
            self.transport.write_eof()
            self._all.wait_for(self, LINGER_SECONDS)
        else:
            self.transport.close()
