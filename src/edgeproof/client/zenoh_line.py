"""Requests over zenoh in place of HTTP: a session of its own for each phone, connected to one endpoint, which finds
nobody else.

A server's keys are those of ``serve/zenoh``; what stands in paths over HTTP becomes a key.
"""

from __future__ import annotations

import contextlib
import json
import struct
from types import TracebackType
from typing import Any

from edgeproof.client.connection import Reply
from edgeproof.errors import MissingDependency, ServingError, UsageError

__all__ = ["SCHEME", "ZenohLine"]

SCHEME = "zenoh:"
HEAD = struct.Struct("<qH")
"""Before an encoded request: bytes of JSON in its body or -1, and of the key that follows."""
LOOPBACK = ("127.", "localhost:", "[::1]")


class ZenohLine:
    """As ``Connection``, over zenoh.

    Args:
        url: ``zenoh:PROTOCOL/HOST:PORT``, such as ``zenoh:tcp/127.0.0.1:7447``.
        timeout_s: for one answer.
        reuse: whether the next request goes over the same session; else each opens one of its own.
        through: ``(host, port)`` to connect to instead, such as a relay's.

    Attributes:
        sent_bytes: of payloads so far; ``received_bytes`` of answers. What zenoh puts around them is not counted.
        opened: sessions so far.

    Raises:
        UsageError: not such a URL.
        MissingDependency: zenoh is not installed.
    """

    def __init__(
        self, url: str, *, timeout_s: float = 30.0, reuse: bool = True, through: tuple[str, int] | None = None
    ) -> None:
        try:
            import zenoh
        except ImportError as error:
            raise MissingDependency(
                f"{url} needs eclipse-zenoh", hint="install it: pip install 'edgeproof[zenoh]'"
            ) from error
        protocol, _, address = url.removeprefix(SCHEME).partition("/")
        host, _, port = address.rpartition(":")
        if not protocol or not host or not port.isdigit():
            raise UsageError(f"{url} is no endpoint of zenoh's", hint="give zenoh:tcp/HOST:PORT")
        self.url = url
        self.server = host.strip("[]"), int(port)
        self.local = address.startswith(LOOPBACK)
        self._endpoint = f"{protocol}/{through[0]}:{through[1]}" if through is not None else f"{protocol}/{address}"
        self._zenoh: Any = zenoh
        self._timeout_s, self._reuse = timeout_s, reuse
        self._session: Any = None
        self.sent_bytes = self.received_bytes = self.opened = 0

    def encode(self, _method: str, path: str, body: bytes = b"", *, json_bytes: int | None = None) -> bytes:
        """A request for ``send``: the key that a path is, and the body."""
        model = path.removeprefix("/v2").removeprefix("/models")
        key = f"edgeproof{model}".encode()  # names are quoted alike in paths and keys
        return b"".join((HEAD.pack(-1 if json_bytes is None else json_bytes, len(key)), key, body))

    def request(self, method: str, path: str, body: bytes = b"") -> Reply:
        """Encode and send one request."""
        return self.send(self.encode(method, path, body))

    def send(self, request: bytes) -> Reply:
        """Send one encoded request and take its whole answer.

        Raises:
            ServingError: the endpoint cannot be reached, nobody has the key, or there is no answer in time.
        """
        json_bytes, size = HEAD.unpack_from(request)
        begin = HEAD.size + size
        key, body = request[HEAD.size : begin].decode(), request[begin:]
        if self._session is None:
            self.connect()
        attachment = None if json_bytes < 0 else b"%d" % json_bytes
        try:
            replies = self._session.get(key, payload=body, attachment=attachment, timeout=self._timeout_s)
            found = next(iter(replies), None)
        except Exception as error:
            self.close()
            raise ServingError(f"lost the server at {self.url}: {error}") from error
        self.sent_bytes += len(body)
        if found is None:
            self.close()
            raise ServingError(f"lost the server at {self.url}: nobody answers at {key}")
        reply = self._read(found)
        if not self._reuse:
            self.close()
        return reply

    def connect(self) -> None:
        """Open the session.

        Raises:
            ServingError: nobody answers there.
        """
        self.close()
        config = self._zenoh.Config()
        for name, value in (
            ("mode", "client"),
            ("connect/endpoints", [self._endpoint]),
            ("connect/timeout_ms", int(1000 * self._timeout_s)),
            ("scouting/multicast/enabled", False),
        ):
            config.insert_json5(name, json.dumps(value))
        try:
            self._session = self._zenoh.open(config)
        except Exception as error:
            raise ServingError(
                f"cannot reach a server at {self.url}: {error}",
                hint="start one: edgeproof serve ARTIFACT --zenoh tcp/127.0.0.1:7447",
            ) from error
        self.opened += 1

    def shut(self) -> None:
        """Break it off from another thread: a wait for an answer ends."""
        self.close()

    def close(self) -> None:
        """Close the session; a request opens it again."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(Exception):
                session.close()

    def __enter__(self) -> ZenohLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, found: Any) -> Reply:
        if found.ok is None:
            body = found.err.payload.to_bytes()
            try:
                told = json.loads(body)
                status, later = int(told["status"]), told.get("retry_after")
            except (ValueError, TypeError, KeyError) as error:  # zenoh's own, such as Timeout
                self.close()
                raise ServingError(f"lost the server at {self.url}: {body[:200].decode(errors='replace')}") from error
            self.received_bytes += len(body)
            return Reply(status, body, None, None if later is None else float(later))
        body, attachment = found.ok.payload.to_bytes(), found.ok.attachment
        self.received_bytes += len(body)
        return Reply(200, body, None if attachment is None else int(attachment.to_bytes()))
