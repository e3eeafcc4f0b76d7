"""What one client may take of a server: bytes, headers, seconds, connections. Bodies follow from the model's inputs.

Who counts is ``serve/connection.py``.
"""

from __future__ import annotations

import math

import msgspec

from edgeproof.errors import UsageError

__all__ = ["CALL_SECONDS", "CONNECTIONS", "QUEUE", "REQUEST_SECONDS", "ServerLimits", "largest_body", "most_calls"]

CONNECTIONS = 256
REQUEST_SECONDS = 15.0
QUEUE = 64
"""Requests that wait for one model while it runs."""
CALL_SECONDS = 60.0
"""That a model may take for one request."""
BYTES_PER_VALUE = 48
"""A float64 in JSON has up to 24 characters; the rest is for its comma and an indented line of its own."""
BATCH_BYTES = 16 << 20
MOST_CALLS = 32
BODY_ROOM_BYTES = 64 << 10
"""For names, shapes, an id and parameters."""
BODIES_BYTES = 64 << 20
BODIES = 4


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """For one server; what passes a limit is cut off.

    Raises:
        UsageError: a limit of nothing.
    """

    body_bytes: int
    """Of one request's body."""
    head_bytes: int = 16 << 10
    """Of a request's first line and headers together, and of what stands around its chunks."""
    headers: int = 100
    """Of one request."""
    request_seconds: float = REQUEST_SECONDS
    """For a head, and again for a body or for an answer to be taken; a body or an answer gets more by its bytes."""
    bytes_per_second: int = 16 << 10
    """At which a body comes and an answer is taken at least, once ``request_seconds`` are over."""
    idle_seconds: int = 75
    """Between an answer and the next request."""
    connections: int = CONNECTIONS
    """Open at a time. A further one takes the place of the one that has kept the server waiting for longest."""
    pipelined: int = 8
    """Requests that one connection may send ahead of their answers."""

    def __post_init__(self) -> None:
        if self.body_bytes < 1 or self.connections < 1 or not 0 < self.request_seconds < math.inf:
            raise UsageError(
                "expected a body of at least 1 byte, at least 1 connection, and request seconds above 0; got "
                f"{self.body_bytes}, {self.connections} and {self.request_seconds:g}"
            )

    @property
    def bodies_bytes(self) -> int:
        """Of all bodies that are held at a time."""
        return max(BODIES_BYTES, BODIES * self.body_bytes)


def most_calls(values: int) -> int:
    """Of a model of so many input values, for one request whose batch is longer than the model's: what 16 MiB of JSON
    hold, 32 at most."""
    return max(1, min(MOST_CALLS, BATCH_BYTES // (BYTES_PER_VALUE * max(1, values))))


def largest_body(values: int) -> int:
    """Bytes of the largest sensible request of so many values: each at full length and indented, and room."""
    return BODY_ROOM_BYTES + BYTES_PER_VALUE * values
