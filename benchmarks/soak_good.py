"""The good client of a soak: it asks at a given rate, and knows what every answer has to be."""

from __future__ import annotations

import random
import select
import socket
import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from asked import Socket, binary_request, json_request, parsed

__all__ = ["Good", "Request", "good_requests"]

PATH = "/v2/models/digits/infer"
FEEDS = 40
PATIENCE_S = 20.0


class Request(NamedTuple):
    """One whose answer is known.

    Attributes:
        raw: whole, as it is sent.
        outputs: that come back: what of an answer does not depend on the time it took.
    """

    raw: bytes
    outputs: bytes


class _Sent(NamedTuple):
    """A request under way: when it was to be sent, when it was, and what has come of its answer."""

    meant: float
    began: float
    request: Request
    found: bytearray


def good_requests(connection: Socket) -> list[Request]:
    """Requests for the model's one input in binary and JSON in turn, with the outputs that the server gives now.

    Raises:
        ValueError: it does not answer.
    """
    told = parsed(connection.ask(b"GET /v2/models/digits HTTP/1.1\r\nHost: x\r\n\r\n")).told
    (given,) = told["inputs"]
    source = np.random.default_rng(0)
    found: list[Request] = []
    for number in range(FEEDS):
        shape = [max(1, size) for size in given["shape"]]
        values = source.random(shape, dtype=np.float32)
        raw = (binary_request if number % 2 else json_request)(PATH, given["name"], values)
        found.append(Request(raw, outputs_of(connection.ask(raw))))
    return found


def outputs_of(answer: bytes) -> bytes:
    """What an answer says of its outputs, and the tensors behind it.

    Raises:
        ValueError: it is no answer to an inference.
    """
    status, told, binary = parsed(answer)
    if status != 200:
        raise ValueError(f"{status}: {told.get('error')}")
    return bytes(msgspec.json.encode(told["outputs"]) + binary)


class Good:
    """A client with several connections, which asks over the next one that is free.

    Attributes:
        failures: what went wrong, in words.
        served_us: latencies of the last ``run`` from when each request was sent, not from when it was to be.
    """

    def __init__(self, port: int, requests: Sequence[Request], connections: int) -> None:
        self._port, self._requests = port, requests
        self._sockets = [self._connected() for _ in range(connections)]
        self.failures: list[str] = []
        self.served_us: array[float] = array("d")

    def run(
        self, *, seconds: float, rate: float | None, seed: int, each_second: Callable[[], object] = lambda: None
    ) -> array[float]:
        """Ask for so long; latencies in µs, from the moment at which each was to be sent.

        Args:
            seconds: in which requests arrive; what is under way then is waited for.
            rate: of a Poisson process, a second; None: whenever a connection is free.
            seed: of it.
            each_second: called about once a second.
        """
        values: array[float] = array("d")
        self.served_us = array("d")
        chance, clock = random.Random(seed), time.perf_counter
        free, busy = deque(self._sockets), dict[socket.socket, _Sent]()
        waiting: deque[float] = deque()
        begin = now = clock()
        arrival, tick, number = begin, begin + 1.0, 0
        while busy or waiting or now < begin + seconds:
            now = clock()
            if now >= tick:
                each_second()
                tick += 1.0
            if rate is None:
                waiting.extend([now] * (len(free) if now < begin + seconds else 0))
            else:
                while arrival <= now and arrival < begin + seconds:
                    waiting.append(arrival)
                    arrival += chance.expovariate(rate)
            while waiting and free:
                connection, request = free.popleft(), self._requests[number % len(self._requests)]
                number += 1
                busy[connection] = _Sent(waiting.popleft(), clock(), request, bytearray())
                connection.sendall(request.raw)
            wait_s = max(0.0, (tick if rate is None else min(arrival, tick)) - clock())
            readable, _, _ = select.select(list(busy), [], [], wait_s)
            for connection in readable:
                sent = busy[connection]
                request, found = sent.request, sent.found
                data = received(connection)
                found += data
                if data and not whole(found):
                    continue
                ended = clock()
                del busy[connection]
                wrong = self._wrong(bytes(found), request) if data else "the connection was closed before its answer"
                if wrong is None:
                    values.append((ended - sent.meant) * 1e6)
                    self.served_us.append((ended - sent.began) * 1e6)
                    free.append(connection)
                else:
                    self.failures.append(wrong)
                    free.append(self._replaced(connection))
            late = [connection for connection, sent in busy.items() if clock() - sent.began > PATIENCE_S]
            for connection in late:
                self.failures.append(f"a request was not answered in {PATIENCE_S:g} s")
                del busy[connection]
                free.append(self._replaced(connection))
        return values

    def _connected(self) -> socket.socket:
        found = socket.create_connection(("127.0.0.1", self._port), PATIENCE_S)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found

    def _replaced(self, connection: socket.socket) -> socket.socket:
        connection.close()
        self._sockets.remove(connection)
        self._sockets.append(self._connected())
        return self._sockets[-1]

    def _wrong(self, answer: bytes, request: Request) -> str | None:
        try:
            same = outputs_of(answer) == request.outputs
        except (ValueError, KeyError, msgspec.MsgspecError) as error:
            return f"{type(error).__name__}: {error}"
        return None if same else "its outputs are others than before"


def received(connection: socket.socket) -> bytes:
    """What has come; nothing where the server has closed the connection, in whatever way."""
    try:
        return connection.recv(1 << 16)
    except ConnectionError:
        return b""


def whole(answer: bytearray) -> bool:
    """Whether all of an answer is there."""
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = answer.find(b"content-length: ")
    return len(answer) >= head + 4 + int(answer[at + 16 : answer.find(b"\r\n", at)])
