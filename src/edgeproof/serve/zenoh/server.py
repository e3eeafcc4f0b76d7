"""A server's models under keys of zenoh: queries and streams, what is told of them, and the end.

    edgeproof                      the server's metadata
    edgeproof/MODEL                the model's
    edgeproof/MODEL/infer          a query is a request, its reply the answer
    edgeproof/MODEL/in/STREAM      what is put here is a request,
    edgeproof/MODEL/out/STREAM     whose answer is put here,
    edgeproof/MODEL/err/STREAM     or the error that came of it

Bodies are those over HTTP. The attachment is what the header ``Inference-Header-Content-Length`` says: bytes of JSON at
the beginning, in decimal digits, where tensors follow.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from edgeproof.serve.served import ServedModel
from edgeproof.serve.zenoh.calls import Calls
from edgeproof.serve.zenoh.config import ZenohOptions, imported, open_session, session_config
from edgeproof.serve.zenoh.threads import ForeignThreads

if TYPE_CHECKING:
    import zenoh

__all__ = ["ZenohServer", "key_of"]

PREFIX = "edgeproof"
LONGEST_LENGTH = 12
"""Digits of a length."""
LAME_S = 0.2
"""For which a server that ends still takes queries: what clients are sending by then would be lost."""
LAST_S = 5.0
"""For the threads of models that are closed to end."""


class ZenohServer:
    """A server's part in zenoh.

    Args:
        options: what was asked for.
        models: what it serves; not yet waited for.
        connections: that it takes at a time.

    Attributes:
        endpoints: that it listens on.

    Raises:
        MissingDependency: zenoh is not installed.
        UsageError: an endpoint or the file cannot be used, or others could reach what nothing protects.
    """

    def __init__(self, options: ZenohOptions, models: Sequence[ServedModel], *, connections: int) -> None:
        self._zenoh = imported()
        self._options, self._models, self._connections = options, models, connections
        _, self.endpoints = session_config(options, body_bytes=None, connections=connections)
        self._calls = [Calls(model) for model in models]
        self._session: Any = None
        self._declared: list[Any] = []
        self._threads = ForeignThreads()
        self._body_bytes = 0

    def open(self, told: Callable[[], object], body_bytes: int) -> None:
        """Answer from now on.

        Args:
            told: what the server says of itself.
            body_bytes: of the longest request.

        Raises:
            ServingError: it cannot listen or connect.
        """
        config, self.endpoints = session_config(
            msgspec.structs.replace(self._options, listen=tuple(self.endpoints)),
            body_bytes=body_bytes,
            connections=self._connections,
        )
        self._body_bytes = body_bytes
        self._session = session = open_session(config, self.endpoints)
        self._declare(PREFIX, lambda: msgspec.json.encode(told()))
        direct = self._zenoh.handlers.Callback
        for model, calls in zip(self._models, self._calls, strict=True):
            calls.start()
            key = key_of(model.name)
            self._declare(key, partial(getattr, model, "metadata"))
            queries = self._queries(calls, f"{key}/infer")
            self._declared.append(session.declare_queryable(f"{key}/infer", direct(queries, indirect=False)))
            inputs = self._inputs(calls, key)
            self._declared.append(session.declare_subscriber(f"{key}/in/*", direct(inputs, indirect=False)))

    def finish(self, seconds: float) -> None:
        """Answer what was asked, for so long, and take nothing more. Blocks."""
        until = time.monotonic() + seconds
        time.sleep(LAME_S)
        for declared in self._declared:
            with contextlib.suppress(self._zenoh.ZError):
                declared.undeclare()
        for calls in self._calls:
            calls.finish(max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Leave; the models are closed already, so that nothing is waited for."""
        for calls in self._calls:  # no thread is in zenoh's code when the interpreter ends
            calls.finish(LAST_S)
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(self._zenoh.ZError):
                session.close()

    def _declare(self, key: str, told: Callable[[], bytes]) -> None:
        """Have queries of one key answered with what is told then."""
        json = self._zenoh.Encoding.APPLICATION_JSON

        def reply(query: zenoh.Query) -> None:
            with query, contextlib.suppress(self._zenoh.ZError):
                query.reply(key, told(), encoding=json)

        self._declared.append(self._session.declare_queryable(key, reply))

    def _queries(self, calls: Calls, key: str) -> Callable[[zenoh.Query], None]:
        keep = self._threads.keep

        def take(query: zenoh.Query) -> None:
            keep()
            call = _Query(self._zenoh, query, key)
            wrong = self._filled(call, query.payload, query.attachment)
            if wrong is None:
                calls.query(call)
            else:
                calls.wrong(call, *wrong)

        return take

    def _inputs(self, calls: Calls, key: str) -> Callable[[zenoh.Sample], None]:
        session = self._session

        keep = self._threads.keep

        def take(sample: zenoh.Sample) -> None:
            keep()
            stream = str(sample.key_expr).rpartition("/")[2]
            call = _Input(self._zenoh, session, key, stream)
            wrong = self._filled(call, sample.payload, sample.attachment)
            if wrong is None:
                calls.input(stream, call)
            else:
                calls.wrong(call, *wrong)

        return take

    def _filled(self, call: _Call, payload: Any, attachment: Any) -> tuple[int, str] | None:
        """Give a call its body; status and message of the error where it cannot be one."""
        if payload is not None:
            size = len(payload)
            if size > self._body_bytes:
                return 413, f"the body is {size} bytes; at most {self._body_bytes} are taken"
            call.body = payload.to_bytes()
        if attachment is not None:
            told = attachment.to_bytes()
            if not told.isdigit() or len(told) > LONGEST_LENGTH:
                return 400, f"the attachment is {told[:40]!r}; expected a number of bytes of JSON"
            call.json_bytes = int(told)
        return None


class _Call:
    """What both kinds have."""

    __slots__ = ("_zenoh", "body", "came_ns", "json_bytes")

    def __init__(self, zenoh: Any) -> None:
        self._zenoh, self.came_ns = zenoh, time.perf_counter_ns()
        self.body = b""
        self.json_bytes: int | None = None

    def _how(self, json_bytes: int | None) -> dict[str, Any]:
        """What an answer is sent with."""
        encoding = self._zenoh.Encoding
        if json_bytes is None:
            return {"encoding": encoding.APPLICATION_JSON}
        return {"encoding": encoding.APPLICATION_OCTET_STREAM, "attachment": b"%d" % json_bytes}


class _Query(_Call):
    __slots__ = ("_key", "_query")

    def __init__(self, zenoh: Any, query: zenoh.Query, key: str) -> None:
        super().__init__(zenoh)
        self._query, self._key = query, key

    def answered(self, status: int, body: Any, json_bytes: int | None = None, retry_s: int | None = None) -> None:
        """Reply, if who asked is still there."""
        with self._query as query, contextlib.suppress(self._zenoh.ZError):
            if status == 200:  # not express: it goes with the query's end, in one piece
                query.reply(self._key, bytes(body), **self._how(json_bytes))
            else:
                query.reply_err(told_error(status, body, retry_s), **self._how(None))


class _Input(_Call):
    __slots__ = ("_key", "_session", "_stream")

    def __init__(self, zenoh: Any, session: zenoh.Session, key: str, stream: str) -> None:
        super().__init__(zenoh)
        self._session, self._key, self._stream = session, key, stream

    def answered(self, status: int, body: Any, json_bytes: int | None = None, retry_s: int | None = None) -> None:
        """Put the answer on the stream; who does not read it holds up nobody."""
        where, told = ("out", bytes(body)) if status == 200 else ("err", told_error(status, body, retry_s))
        key = f"{self._key}/{where}/{self._stream}"
        drop = self._zenoh.CongestionControl.DROP
        with contextlib.suppress(self._zenoh.ZError):
            self._session.put(key, told, express=True, congestion_control=drop, **self._how(json_bytes))


def key_of(name: str) -> str:
    """Under which a model is; characters that mean something in a key are escaped as in a URL."""
    return f"{PREFIX}/{quote(name, safe='')}"


def told_error(status: int, body: Any, retry_s: int | None) -> bytes:
    """The protocol's error, with what HTTP says in its head: ``status``, and ``retry_after`` in seconds."""
    told = {**msgspec.json.decode(bytes(body)), "status": status}
    if retry_s is not None:
        told["retry_after"] = retry_s
    return msgspec.json.encode(told)
