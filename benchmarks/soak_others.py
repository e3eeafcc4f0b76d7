"""Clients that a server could do without: their requests are wrong, they leave, or they do not read.

    python benchmarks/soak_others.py PORT SECONDS RATE SEED

runs them, and prints what they met as one line of JSON.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import sys
import time
from collections import Counter

import numpy as np
from asked import json_request

__all__ = ["Others"]

PATH = "/v2/models/digits/infer"
PATIENCE_S = 20.0
SLOW_READERS = 4
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n".encode()
METRICS = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def malformed(chance: random.Random) -> bytes:
    """A request that is wrong, in one of several ways."""
    body = b'{"inputs": [{"name": "nobody", "shape": [1], "datatype": "FP32", "data": [1]}]}'
    told = b"Content-Length: %d\r\n\r\n" % len(body)
    return chance.choice(
        (
            HEAD + b"Content-Length: 9\r\n\r\nno JSON {",
            HEAD + told + body,
            HEAD + b"Inference-Header-Content-Length: %d\r\n" % (2 ** chance.randrange(40)) + told + body,
            HEAD + b"Content-Length: 40\r\n\r\n" + b"[" * 40,
            HEAD + b"Content-Length: 99999999999\r\n\r\n{",
            HEAD + b"Content-Length: -1\r\n\r\n",
            HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            HEAD + b"X-Long: " + b"a" * 20_000 + b"\r\n\r\n",
            HEAD.replace(b"digits", b"nobody") + told + body,
            b"BREW /v2 HTTP/1.1\r\n\r\n",
            bytes(chance.randrange(256) for _ in range(60)) + b"\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
        )
    )


class Others:
    """Those that do not behave.

    Attributes:
        counts: what they did and met.
    """

    def __init__(self, port: int, seed: int) -> None:
        self._port, self._chance = port, random.Random(seed)
        self.counts: Counter[str] = Counter(malformed=0, vanished=0, faults=0, unanswered=0, slow_readers=SLOW_READERS)
        self.statuses: Counter[str] = Counter()
        self._slow: list[socket.socket] = []

    def run(self, seconds: float, rate: float) -> None:
        """A malformed request so many times a second; half as often a client that leaves; slow readers all the time."""
        begin = time.monotonic()
        due, look = begin, begin
        while (now := time.monotonic()) < begin + seconds:
            if now >= look:
                self._read_slowly()
                look = now + 0.25
            if now < due:
                time.sleep(min(due, look) - now if min(due, look) > now else 0)
                continue
            due += self._chance.expovariate(rate)
            self._ask_wrongly()
            if self._chance.random() < 0.5:
                self._vanish()

    def _ask_wrongly(self) -> None:
        self.counts["malformed"] += 1
        found = b""
        try:
            with socket.create_connection(("127.0.0.1", self._port), PATIENCE_S) as client:
                client.sendall(malformed(self._chance))
                found = client.recv(1 << 12)
        except TimeoutError:
            self.counts["unanswered"] += 1
            return
        except ConnectionError:
            pass
        status = found[9:12].decode("latin-1") or "closed"
        self.statuses[status] += 1
        if status.startswith("5"):
            self.counts["faults"] += 1

    def _vanish(self) -> None:
        """Amid a request, or once it is whole; with a reset, or without."""
        self.counts["vanished"] += 1
        client = socket.create_connection(("127.0.0.1", self._port), PATIENCE_S)
        request = json_request(PATH, "pixels", np.zeros((1, 64), np.float32))
        with client:
            if self._chance.random() < 0.5:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(request[: self._chance.choice((1, 40, len(request) - 1, len(request)))])

    def _read_slowly(self) -> None:
        """Each asks for more than it takes: one byte now and then."""
        while len(self._slow) < SLOW_READERS:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.settimeout(PATIENCE_S)
            client.connect(("127.0.0.1", self._port))
            client.setblocking(False)
            self._slow.append(client)
        for client in list(self._slow):
            try:
                client.send(METRICS * 4)
            except BlockingIOError:
                pass
            except OSError:
                self._drop(client)
                continue
            try:
                if not client.recv(1):
                    self._drop(client)
            except BlockingIOError:
                pass
            except OSError:
                self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        self.counts["slow_readers_cut_off"] += 1
        client.close()
        self._slow.remove(client)


if __name__ == "__main__":
    where, how_long, how_often, number = sys.argv[1:]
    others = Others(int(where), int(number))
    others.run(float(how_long), float(how_often))
    print(json.dumps({**others.counts, "statuses": dict(others.statuses)}))
