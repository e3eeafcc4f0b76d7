"""A network in user space: a process between phone and server that delays, jitters, loses and rate-limits a stream.

    python -m edgeproof.client.shaping.relay --profile PROFILE.json --to 127.0.0.1:8080

prints one line of JSON with its ports when it listens. Each connection is a link of its own, with the profile's rate in
each direction. Two TCP connections meet here, so it is a stream that is shaped and not its packets:

- a chunk is sent when those before it are (rate), arrives after the delay with its jitter, and never before the one in
  front of it;
- a lost packet costs the time until TCP has sent it again: a round trip where enough follow it that the receiver says
  so, else the retransmission timeout (RFC 6298, with Linux's minimum of 200 ms) and a round trip;
- the first bytes of a connection wait for the round trip of its handshake, which the kernel here has done at once;
- congestion windows, slow start, acknowledgements and the bytes of headers are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import itertools
import json
import os
import random
import select
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeproof.child import child_main
from edgeproof.client.shaping.namespace import enter_network, enter_user
from edgeproof.documents.load import NetworkProfile
from edgeproof.documents.parsing import parse_json
from edgeproof.errors import ServingError

__all__ = ["Direction", "main"]

SEGMENT_BYTES = 1448
"""Of TCP's data in a packet of 1,500 bytes."""
RETRANSMISSION_S = 0.2
"""Linux's least timeout."""
FOLLOWING = 3
"""Packets behind a lost one by which the receiver makes the sender send it again at once (RFC 5681)."""
QUEUE_BYTES = 1 << 20
"""That a direction holds at most: beyond that its sender is not read, as with a full socket."""
CHUNK_S = 0.002
"""Of the rate, that one chunk is at most."""


class Direction:
    """When what goes one way arrives.

    Args:
        profile: the network.
        mbit_per_s: of this direction; None: not limited.
        drawn: where jitter and losses come from.
        opened_s: when its connection was.
    """

    def __init__(
        self, profile: NetworkProfile, mbit_per_s: float | None, drawn: random.Random, opened_s: float
    ) -> None:
        self._profile, self._drawn = profile, drawn
        self._bytes_per_s = None if mbit_per_s is None else mbit_per_s * 1e6 / 8
        self._round_trip_s = 2 * profile.delay_ms / 1e3
        self._free_s = opened_s + self._round_trip_s
        self._last_due_s = 0.0
        self.chunk_bytes = 1 << 16
        if self._bytes_per_s is not None:
            self.chunk_bytes = min(1 << 16, max(SEGMENT_BYTES, int(self._bytes_per_s * CHUNK_S)))

    def due_s(self, now_s: float, size: int) -> float:
        """When a chunk that came in now is to go out, on the same clock; chunks keep their order."""
        sent = max(now_s, self._free_s)
        if self._bytes_per_s is not None:
            sent += size / self._bytes_per_s
        self._free_s = sent
        delay = max(0.0, self._drawn.gauss(self._profile.delay_ms, self._profile.jitter_ms)) / 1e3
        self._last_due_s = max(self._last_due_s, sent + delay + self._lost_s(size))
        return self._last_due_s

    def _lost_s(self, size: int) -> float:
        """What losses in a chunk cost."""
        if not self._profile.loss:
            return 0.0
        segments, cost = -(-size // SEGMENT_BYTES), 0.0
        for index in range(segments):
            timeout = 0.0 if segments - index > FOLLOWING else RETRANSMISSION_S
            while self._drawn.random() < self._profile.loss:
                cost = max(cost, 0.0) + timeout + self._round_trip_s
                timeout = 2 * timeout or RETRANSMISSION_S
        return cost


@dataclass(eq=False)
class _Side:
    """One socket of a link, with what is on its way to it."""

    socket: socket.socket
    arriving: Direction
    """What decides when bytes of this socket reach the other one."""
    other: _Side | None = None
    queued: int = 0
    """Bytes on their way to this one."""
    ready: bytearray = field(default_factory=bytearray)
    read_to_end: bool = False
    ended: bool = False
    """Whether the other one's end has arrived here."""


class _Relay:
    """All links, in one thread: it waits for sockets and for the next chunk that is due."""

    def __init__(self, profile: NetworkProfile, links: dict[socket.socket, tuple[str, int]], seed: int) -> None:
        self._profile, self._drawn = profile, random.Random(seed)
        self._listeners = links
        self._sides: dict[int, _Side] = {}
        self._due: list[tuple[float, int, _Side, bytes | None]] = []
        self._number = itertools.count()

    def run(self) -> None:
        """Until the process ends."""
        listening = {listener.fileno(): listener for listener in self._listeners}
        while True:
            reading = [
                *listening,
                *(
                    number
                    for number, side in self._sides.items()
                    if not side.read_to_end and side.other is not None and side.other.queued < QUEUE_BYTES
                ),
            ]
            writing = [number for number, side in self._sides.items() if side.ready]
            wait_s = None if not self._due else max(0.0, self._due[0][0] - time.perf_counter())
            readable, writable, _ = select.select(reading, writing, [], wait_s)
            for number in readable:
                if number in listening:
                    self._accept(listening[number])
                elif number in self._sides:
                    self._read(self._sides[number])
            self._deliver()
            for number in writable:
                if number in self._sides:
                    self._write(self._sides[number])

    def _accept(self, listener: socket.socket) -> None:
        phone, _ = listener.accept()
        try:
            server = socket.create_connection(self._listeners[listener], 5)
        except OSError:
            phone.close()  # nobody listens behind it, and the phone hears that as a connection that is lost
            return
        now = time.perf_counter()
        profile = self._profile
        near = _Side(phone, Direction(profile, profile.up_mbit_per_s, self._drawn, now))
        far = _Side(server, Direction(profile, profile.down_mbit_per_s, self._drawn, now - 3600))
        near.other, far.other = far, near
        for side in (near, far):
            side.socket.setblocking(False)
            side.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sides[side.socket.fileno()] = side

    def _read(self, side: _Side) -> None:
        assert side.other is not None
        try:
            data = side.socket.recv(side.arriving.chunk_bytes)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        side.read_to_end = not data
        due = side.arriving.due_s(time.perf_counter(), len(data))
        side.other.queued += len(data)
        heapq.heappush(self._due, (due, next(self._number), side.other, data or None))

    def _deliver(self) -> None:
        """Hand over what is due."""
        while self._due and self._due[0][0] <= time.perf_counter():
            _, _, side, data = heapq.heappop(self._due)
            if side.socket.fileno() < 0:
                continue
            if data is None:
                side.ended = True
            else:
                side.ready += data
            self._write(side)

    def _write(self, side: _Side) -> None:
        if side.socket.fileno() < 0:
            return
        try:
            while side.ready:
                sent = side.socket.send(side.ready)
                side.queued -= sent
                del side.ready[:sent]
        except BlockingIOError:
            return
        except OSError:
            self._drop(side)
            return
        if side.ended:
            with contextlib.suppress(OSError):
                side.socket.shutdown(socket.SHUT_WR)
            if side.read_to_end or (side.other is not None and side.other.ended):
                self._drop(side)

    def _drop(self, side: _Side) -> None:
        for end in (side, side.other):
            if end is not None and end.socket.fileno() >= 0:
                self._sides.pop(end.socket.fileno(), None)
                end.socket.close()


def _listeners_in(pid: int, host: str, count: int) -> list[socket.socket]:
    """Listening sockets in another process's network, made by a child of this one: who goes there does not come back,
    and what is carried on has to be sent from here."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    child = os.fork()
    if not child:
        try:
            enter_user(pid)
            enter_network(pid)
            made = [socket.create_server((host, 0), backlog=128) for _ in range(count)]
            socket.send_fds(theirs, [b"."], [listener.fileno() for listener in made])
        except BaseException as error:
            print(error, file=sys.stderr)
        os._exit(0)
    theirs.close()
    with ours:
        _, numbers, _, _ = socket.recv_fds(ours, 1, count)
    os.waitpid(child, 0)
    if len(numbers) != count:
        raise ServingError(f"the relay cannot listen on {host} in the network of process {pid}")
    return [socket.socket(fileno=number) for number in numbers]


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m edgeproof.client.shaping.relay", description=__doc__)
    parser.add_argument("--profile", type=Path, required=True, metavar="FILE", help="JSON of a network profile")
    parser.add_argument("--to", action="append", required=True, metavar="HOST:PORT", help="each gets a port here")
    parser.add_argument("--listen", default="127.0.0.1", metavar="HOST", help="address to listen on")
    parser.add_argument("--namespace", type=int, metavar="PID", help="the process in whose network that address is")
    parser.add_argument("--seed", type=int, default=0, help="of jitter and losses (default 0)")
    options = parser.parse_args(arguments)
    targets = [(host, int(port)) for host, _, port in (to.rpartition(":") for to in options.to)]
    if options.namespace is None:
        listeners = [socket.create_server((options.listen, 0), backlog=128) for _ in targets]
    else:
        listeners = _listeners_in(options.namespace, options.listen, len(targets))
    links = dict(zip(listeners, targets, strict=True))
    relay = _Relay(parse_json(options.profile.read_bytes(), NetworkProfile), links, options.seed)
    print(json.dumps({"ports": [listener.getsockname()[1] for listener in listeners]}), flush=True)
    sys.stdout.close()
    relay.run()
    return 0


if __name__ == "__main__":
    child_main(main)
