"""What one client may take of a server: bytes, headers, seconds, connections. Bodies follow from the model's inputs.

Who counts is ``serve/connection.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import UsageError

__all__ = ["CONNECTIONS", "REQUEST_SECONDS", "ServerLimits", "largest_body"]

CONNECTIONS = 256
REQUEST_SECONDS = 15.0
BYTES_PER_VALUE = 48
"""A float64 in JSON has up to 24 characters; the rest is for its comma and an indented line of its own."""
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


def largest_body(inputs: Sequence[TensorSpec]) -> int:
    """Bytes of the largest sensible request for a model: every value at full length and indented, and room."""
    return BODY_ROOM_BYTES + BYTES_PER_VALUE * sum(math.prod(spec.shape) for spec in inputs)
