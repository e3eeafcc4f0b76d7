"""A keep-alive HTTP/1.1 connection that costs little, because what the client costs is measured as latency.

It speaks what an inference server answers with: a length or chunks, one answer per request. No redirects, no TLS, no
compression.
"""

from __future__ import annotations

import contextlib
import re
import socket
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit

from edgeproof.errors import ServingError, UsageError

__all__ = ["Connection", "Reply"]

HEAD_LIMIT_BYTES = 64 << 10
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
JSON_LENGTH = re.compile(rb"\r\ninference-header-content-length:[ \t]*(\d+)", re.IGNORECASE)
RETRY_AFTER = re.compile(rb"\r\nretry-after:[ \t]*(\d+)", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)


class Reply(NamedTuple):
    """An answer: HTTP status and the whole body.

    ``json_bytes`` is the length of the JSON that the body begins with, where raw tensors follow; ``retry_after_s`` is
    what a server that is busy asks for.
    """

    status: int
    body: bytes
    json_bytes: int | None = None
    retry_after_s: float | None = None


class Connection:
    """One TCP connection, opened at the first request and again after the server closed it.

    Args:
        url: ``http://host:port``; a path is not looked at.
        timeout_s: for connecting, and for every wait for bytes.
        token: that the server asks for.
        reuse: whether the next request goes over the same connection; else each opens one of its own.
        through: ``(host, port)`` to connect to instead, such as a relay's; the server still hears its own name.

    Attributes:
        sent_bytes: of requests so far, heads included; ``received_bytes`` of answers.
        opened: connections so far.

    Raises:
        UsageError: not an http URL.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 30.0,
        token: str | None = None,
        reuse: bool = True,
        through: tuple[str, int] | None = None,
    ) -> None:
        try:
            parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
            host, port = parts.hostname, parts.port or 80
        except ValueError as error:
            raise UsageError(f"{url} is not a URL: {error}", hint="give http://host:port") from error
        if parts.scheme != "http" or not host:
            raise UsageError(f"{url} is not an http URL", hint="give http://host:port; TLS is not spoken")
        self.url = f"http://{parts.netloc}"
        self._server = (host, port)
        self._address = through or self._server
        self._reuse = reuse
        self.sent_bytes = self.received_bytes = self.opened = 0
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._rest = b""
        self._authorization = "" if token is None else f"Authorization: Bearer {token}\r\n"

    @property
    def local(self) -> bool:
        """Whether the server is on this machine, by its loopback address."""
        return self._server[0] in {"localhost", "::1"} or self._server[0].startswith("127.")

    @property
    def server(self) -> tuple[str, int]:
        """The server's host and port."""
        return self._server

    def encode(self, method: str, path: str, body: bytes = b"", *, json_bytes: int | None = None) -> bytes:
        """A request as it goes over the wire, for ``send``; with ``json_bytes`` raw tensors follow that much JSON."""
        host = self.url.removeprefix("http://")
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n{self._authorization}"
        if body or method == "POST":
            kind = "application/json" if json_bytes is None else "application/octet-stream"
            head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            head += "" if json_bytes is None else f"Inference-Header-Content-Length: {json_bytes}\r\n"
        head += "" if self._reuse else "Connection: close\r\n"
        return head.encode("latin-1") + b"\r\n" + body

    def request(self, method: str, path: str, body: bytes = b"") -> Reply:
        """Encode and send one request."""
        return self.send(self.encode(method, path, body))

    def send(self, request: bytes) -> Reply:
        """Send one encoded request and read its whole answer. After an error the next one connects anew.

        Raises:
            ServingError: the server cannot be reached, left in the middle, was silent too long, or spoke no HTTP.
        """
        try:
            if self._socket is None:
                self.connect()
            assert self._socket is not None
            self._socket.sendall(request)
            self.sent_bytes += len(request)
            reply = self._read()
            if not self._reuse:
                self.close()
            return reply
        except ServingError:
            self.close()
            raise
        except OSError as error:
            self.close()
            reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise ServingError(f"lost the server at {self.url}: {reason}") from error

    def connect(self) -> None:
        """Open the connection.

        Raises:
            ServingError: nobody answers there.
        """
        try:
            self._socket = socket.create_connection(self._address, self._timeout_s)
        except OSError as error:
            reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise ServingError(
                f"cannot reach a server at {self.url}: {reason}", hint="start one: edgeproof serve MODEL|ARTIFACT"
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self.opened += 1

    def shut(self) -> None:
        """Break the connection off from another thread: a wait for bytes ends at once, as lost."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; a request opens it again."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _more(self) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(1 << 16)
        if not data:
            raise ServingError(f"lost the server at {self.url}: it closed the connection before the answer was whole")
        self.received_bytes += len(data)
        return data

    def _read(self) -> Reply:
        data = self._rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > HEAD_LIMIT_BYTES:
                raise ServingError(f"the server at {self.url} sent a header that does not end")
            data += self._more()
        head = data[:end]
        rest = data[end + 4 :]
        if not head.startswith(b"HTTP/1.") or not head[9:12].isdigit():
            raise ServingError(f"what answers at {self.url} does not speak HTTP/1.1: it sent {head[:40]!r}")
        length = LENGTH.search(head)
        if length:
            body, rest = self._exactly(rest, int(length.group(1)))
        elif CHUNKED.search(head):
            body, rest = self._chunks(rest)
        else:
            raise ServingError(f"the server at {self.url} sent neither a length nor chunks")
        self._rest = rest
        if CLOSE.search(head):
            self.close()
        json_length = JSON_LENGTH.search(head)
        status = int(head[9:12])
        later = RETRY_AFTER.search(head) if status == 503 else None
        return Reply(
            status,
            body,
            int(json_length.group(1)) if json_length else None,
            float(later.group(1)) if later else None,
        )

    def _exactly(self, data: bytes, length: int) -> tuple[bytes, bytes]:
        if len(data) < length:
            parts, have = [data], len(data)
            while have < length:
                part = self._more()
                parts.append(part)
                have += len(part)
            data = b"".join(parts)
        return data[:length], data[length:]

    def _chunks(self, data: bytes) -> tuple[bytes, bytes]:
        parts: list[bytes] = []
        while True:
            while (end := data.find(b"\r\n")) < 0:
                data += self._more()
            try:
                size = int(data[:end].split(b";")[0], 16)
            except ValueError as error:
                raise ServingError(f"the server at {self.url} sent a chunk without a length") from error
            chunk, data = self._exactly(data[end + 2 :], size + 2)
            if size == 0:
                return b"".join(parts), data
            parts.append(chunk[:-2])
