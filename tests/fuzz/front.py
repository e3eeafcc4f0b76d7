"""The server's front as a fuzz target: bytes of a client, cut into pieces, through parser, routes, codec and answers.

It leaves out the socket, the clock and the process of the model, which is called here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httptools

from edgeproof.serve.connection import Connection
from edgeproof.serve.connections import Connections
from edgeproof.serve.front import Front
from edgeproof.serve.holding import Holding
from edgeproof.serve.lane import Message
from edgeproof.serve.limits import ServerLimits
from edgeproof.serve.log import Log
from edgeproof.serve.opening import Opened, Opening
from edgeproof.serve.served import Asking, ServedModel
from edgeproof.serve.tensors import Tensor, tensor_of

__all__ = ["Running", "holding", "read", "seeds"]

LIMITS = ServerLimits(body_bytes=2048, head_bytes=1024, headers=20)
TOKEN = "0123456789abcdef"
ALLOWED = frozenset({100, 200, 400, 401, 404, 405, 408, 413, 415, 429, 431})
"""What a client may be told whatever it sends: nothing of it is the server's fault."""

LIMITED = (413, 431)
"""A stream that is nearly too long is refused where it comes in parts: what stands between its words counts then."""


class Running:
    """Outputs are zeros, of a whole call and of a step."""

    def __init__(
        self, call: tuple[tuple[Tensor, ...], tuple[Tensor, ...]], step: tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
    ) -> None:
        self.inputs, self.outputs = call
        self.step_inputs, self.step_outputs = step

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        assert [len(data) for data in inputs] == [tensor.bytes for tensor in self.inputs]
        return [bytes(tensor.bytes) for tensor in self.outputs]

    def stream(self) -> Running:
        return self

    def step(self, inputs: Sequence[Any]) -> list[Any]:
        assert [len(data) for data in inputs] == [tensor.bytes for tensor in self.step_inputs]
        return [bytes(tensor.bytes) for tensor in self.step_outputs]

    def close(self) -> None:
        """Nothing is held."""


def holding(running: Running) -> Holding:
    """It, as the process of a model holds one."""
    about = {"platform": "p", "load_ms": 0.0, "first_us": 0.0, "runtime": "r", "runtime_version": "1", "sha256": "0"}
    return Holding(Opened(running=running, **about), Opening(name="m", source={"model": "m"}))  # type: ignore[arg-type]


class Called(ServedModel):
    """A model that is called in this process, at once or once ``go_on`` is called."""

    def __init__(self, *, later: bool) -> None:
        super().__init__(
            Opening(name="m", source={"model": "m"}), queue=64, call_seconds=1.0, log=Log(None, requests=False)
        )
        x, y = tensor_of("x", "float32", (1, 2)), tensor_of("y", "float32", (1, 2))
        self._holding, self._at_once = holding(Running(((x,), (y,)), ((x,), (y,)))), not later
        self.held, self.metadata, self._ready = self._holding.held, b"{}", True
        self.asked: list[Asking] = []

    def submit(self, came: Asking) -> None:
        self.asked.append(came)
        if self._at_once:
            self.go_on()

    def forget(self, came: Asking) -> None:
        self.asked.remove(came)

    def go_on(self) -> None:
        """Answer what was asked."""
        asked, self.asked = self.asked, []
        for came in asked:
            told = self._holding.answer(Message(0, came.body, came.json_bytes))
            came.answered(told.status, told.body, told.json_bytes)


class Wire:
    """A transport that keeps what is written, and holds the connection to what a real one allows."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.closing = self.ended = False

    def write(self, data: bytes) -> None:
        assert not self.closing, f"{bytes(data[:80])!r} was written after the connection was closed"
        assert not self.ended, f"{bytes(data[:80])!r} was written after the end"
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        assert not self.closing, "the end was written after the connection was closed"
        self.ended = True

    def close(self) -> None:
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0


class Loop:
    """No time passes."""

    def call_later(self, seconds: float, call: Callable[..., Any], *words: Any) -> None:
        """It never comes."""


class Answers:
    """What httptools makes of all that was written."""

    def __init__(self, written: bytes) -> None:
        self.statuses: list[int] = []
        self._whole = 0
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(written)
        assert self._whole == len(self.statuses), "the last answer is not whole"

    def on_headers_complete(self) -> None:
        self.statuses.append(self._parser.get_status_code())

    def on_message_complete(self) -> None:
        self._whole += 1


def read(raw: bytes) -> None:
    """The first byte says whether a token is asked for and whether answers come at once; the next three, how the rest
    is cut. However it is cut, no answer changes: there may only be fewer, where a connection ends in between."""
    if len(raw) < 4:
        return
    token = TOKEN if raw[0] & 1 else None
    whole = said(raw[4:], (len(raw),), token=token, later=False)
    sizes = [1 + value * value // 16 for value in raw[1:4]]
    parts = said(raw[4:], sizes, token=token, later=bool(raw[0] & 2))
    whole, parts = (found[:-1] if found[-1:] and found[-1] in LIMITED else found for found in (whole, parts))
    if len(whole) != len(parts):  # a fault may be seen before a limit is met, or after it
        whole, parts = whole[:-1], parts[:-1]
    both = min(len(whole), len(parts))
    assert whole[:both] == parts[:both], f"{whole} in one piece, {parts} in several"


def said(stream: bytes, sizes: Sequence[int], *, token: str | None, later: bool) -> list[int]:
    """The statuses of all answers to a stream that comes in pieces of these sizes, but 100."""
    model, together, wire, loop = Called(later=later), Connections(LIMITS, token), Wire(), Loop()
    front = Front([model], together, [0])
    connection = Connection(together, front, loop)  # type: ignore[arg-type]
    connection.connection_made(wire)  # type: ignore[arg-type]
    at = 0
    for size in itertools.cycle(sizes):
        if at >= len(stream) or wire.closing:
            break
        connection.data_received(stream[at : at + size])
        at += size
        model.go_on()
    connection.connection_lost(None)
    assert not together.open, "a connection that is lost is still held"
    assert not together.body_bytes, "bytes of a body are held for nobody"
    assert connection.waits_for is None, "a connection that is lost waits for an answer"
    assert not model.asked, "a request is waited for by nobody"
    if b"HEAD " in stream:
        return []  # an answer without a body is told from one that is cut short by who asked alone
    statuses = Answers(bytes(wire.written)).statuses
    assert set(statuses) <= ALLOWED, statuses
    return [status for status in statuses if status != 100]


def seeds() -> Iterator[bytes]:
    """Valid requests, each whole and cut."""
    x = {"name": "x", "shape": [1, 2], "datatype": "FP32"}
    text = json.dumps({"inputs": [{**x, "data": [0.5, 1]}]}).encode()
    steps = {"sequence_id": 3, "sequence_start": True, "binary_data_output": True}
    told = json.dumps({"inputs": [{**x, "parameters": {"binary_data_size": 8}}], "parameters": steps}).encode()
    post = b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\n"
    plain = post + b"Content-Length: %d\r\n\r\n" % len(text) + text
    binary = b"Inference-Header-Content-Length: %d\r\nContent-Length: %d\r\n\r\n" % (len(told), len(told) + 8)
    bearer = f"Authorization: Bearer {TOKEN}\r\n".encode()
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n%x;a=b\r\n%b\r\n0\r\nA: b\r\n\r\n"
    get = b"GET /v2/models/m/ready HTTP/1.1\r\n\r\n"
    for stream in (
        plain,
        post + binary + told + bytes(8),
        post + chunked % (10, text[:10], len(text) - 10, text[10:]),
        plain * 3 + get * 2,
        get + b"GET /metrics?a=b HTTP/1.1\r\nConnection: close\r\n\r\n" + get,
        b"GET /v2 HTTP/1.0\r\n\r\n" + get,
        post + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(text) + text,
        b"HEAD /v2/health/live HTTP/1.1\r\nConnection: keep-alive\r\n\r\n" + get,
        b"GET /v2/models/%6d/versions/1 HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\n" + bearer + b"\r\n" + post + bearer + plain.removeprefix(post),
        b"DELETE /v2/health/ready HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
    ):
        for how in (b"\0\xff\xff\xff", b"\2\0\x20\x08", b"\3\x10\5\x20"):
            yield how + stream
