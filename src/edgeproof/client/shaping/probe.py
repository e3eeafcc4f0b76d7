"""What a network really measures when nothing else goes through it: round trips of single bytes, and bulk each way.

The far end is an ``Echo`` in this process; the near end is a process of its own, because it may have to be in another
network than this one.
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from edgeproof.child import child_main, tie_to_parent
from edgeproof.client.shaping.namespace import enter_network, enter_user
from edgeproof.files import write_bytes

__all__ = ["Echo", "Probed", "main", "probe"]

ROUND_TRIPS = 40
BULK_S = 0.4
"""Of the rate, that bulk takes each way."""
LEAST_BULK = 64 << 10
MOST_BULK = 16 << 20
HEAD = struct.Struct("<cI")


class Probed(NamedTuple):
    """Round trips in ms, and rates in Mbit/s of payload."""

    round_trips_ms: list[float]
    up_mbit_per_s: float
    down_mbit_per_s: float


class Echo:
    """The far end, on a port of the loopback interface, while the block runs: it sends back a byte, takes bulk and says
    how long that took, or sends bulk."""

    def __enter__(self) -> Echo:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while len(head := _exactly(client, HEAD.size)) == HEAD.size:
                    kind, size = HEAD.unpack(head)
                    if kind == b"p":
                        client.sendall(b".")
                    elif kind == b"u":
                        client.sendall(struct.pack("<d", _rate(client, size)))
                    else:
                        client.sendall(bytes(size))
            except OSError:
                return


def probe(host: str, port: int, expected_mbit_per_s: Sequence[float | None]) -> Probed:
    """Measure the way to an ``Echo``.

    Args:
        host: of what stands for it.
        port: likewise.
        expected_mbit_per_s: up and down, by which the bulk is measured out; None: as much as there is.

    Raises:
        OSError: it broke off.
    """
    with socket.create_connection((host, port), 30) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        trips = []
        for index in range(ROUND_TRIPS + 1):
            begin = time.perf_counter()
            line.sendall(HEAD.pack(b"p", 0))
            _exactly(line, 1)
            if index:  # the first has the handshake in it
                trips.append(1e3 * (time.perf_counter() - begin))
        rates = []
        for kind, expected in zip((b"u", b"d"), expected_mbit_per_s, strict=True):
            size = MOST_BULK if expected is None else int(expected * 1e6 / 8 * BULK_S)
            size = min(MOST_BULK, max(LEAST_BULK, size))
            line.sendall(HEAD.pack(kind, size))
            if kind == b"u":
                line.sendall(bytes(size))
                rates.append(struct.unpack("<d", _exactly(line, 8))[0])
            else:
                rates.append(_rate(line, size))
    return Probed(trips, *rates)


def _exactly(line: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size and (part := line.recv(size - len(parts))):
        parts += part
    return parts


def _rate(line: socket.socket, size: int) -> float:
    """Mbit/s at which so many bytes come in, from the first that came on: those are not counted."""
    got = len(line.recv(1 << 16))
    first, begin = got, time.perf_counter()
    while got < size and (part := line.recv(1 << 16)):
        got += len(part)
    return (got - first) * 8 / 1e6 / max(time.perf_counter() - begin, 1e-9)


def main(arguments: Sequence[str] | None = None) -> int:
    """Probe, and write what was measured as JSON."""
    parser = argparse.ArgumentParser(prog="python -m edgeproof.client.shaping.probe")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--up", type=float, help="expected Mbit/s")
    parser.add_argument("--down", type=float, help="expected Mbit/s")
    parser.add_argument("--namespace", type=int, metavar="PID", help="the process whose network this is to be in")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON: round trips, up, down")
    options = parser.parse_args(arguments)
    if options.namespace is not None:
        enter_user(options.namespace)
        enter_network(options.namespace)
        tie_to_parent()
    probed = probe(options.host, options.port, (options.up, options.down))
    write_bytes(options.out, json.dumps(probed).encode())
    return 0


if __name__ == "__main__":
    child_main(main)
