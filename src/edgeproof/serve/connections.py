"""The connections of one server together: how many, for which of them it waits and until when, what was cut off.

Seconds count only while the server listens: a client is not held to the time in which an inference kept its bytes from
being read.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from edgeproof.serve.limits import ServerLimits

__all__ = ["Connections", "Held"]

TICK_SECONDS = 0.5


class Held(Protocol):
    """A connection, as all of them together see it."""

    @property
    def owed(self) -> bool:
        """Whether the server owes it an answer, or it has one that it has not taken yet."""

    def late(self) -> None:
        """The client has let the server wait for too long."""

    def drop(self) -> None:
        """Close it without a word."""

    def close_unless_owed(self) -> None:
        """Close it, where the server owes it nothing."""


class Connections:
    """All connections of one server, and what they take together.

    Args:
        limits: of each, and of all.
        token: that every request has to bring; None: none.

    Attributes:
        refused: how many were cut off, by reason.
        seconds: in which the server has listened while somebody was connected.
        body_bytes: of requests that came in parts and are not answered yet.
        ending: whether the server ends: each connection is closed with its next answer.
    """

    def __init__(self, limits: ServerLimits, token: str | None = None) -> None:
        self.limits, self.token = limits, token
        self.refused: dict[str, int] = {}
        self.seconds = 0.0
        self.body_bytes = 0
        self.ending = False
        self._open: set[Held] = set()
        self._waited_for: dict[Held, float] = {}
        self._ticking = False

    def enter(self, connection: Held, loop: asyncio.AbstractEventLoop) -> bool:
        """Take one in; where there is no place, that of the one that is waited for since longest. False where each is
        being answered."""
        while len(self._open) >= self.limits.connections:
            if not self._waited_for:
                return False
            self.count("connections")
            next(iter(self._waited_for)).drop()
        self._open.add(connection)
        if not self._ticking:
            self._ticking = True
            loop.call_later(TICK_SECONDS, self._tick, loop)
        return True

    @property
    def open(self) -> tuple[Held, ...]:
        """Those that are not closed."""
        return tuple(self._open)

    def has(self, connection: Held) -> bool:
        """Whether it was taken in and is not closed."""
        return connection in self._open

    def leave(self, connection: Held) -> None:
        """It is closed."""
        self._open.discard(connection)
        self._waited_for.pop(connection, None)

    def wait_for(self, connection: Held, seconds: float) -> None:
        """The server waits for the client: not longer than so many seconds from now on."""
        if connection in self._open:
            self._waited_for.pop(connection, None)  # those that are waited for since longest stand first
            self._waited_for[connection] = self.seconds + seconds

    def extend(self, connection: Held, seconds: float) -> None:
        """Wait for so many seconds longer."""
        if connection in self._waited_for:
            self._waited_for[connection] += seconds

    def answer(self, connection: Held) -> None:
        """The client waits for the server."""
        self._waited_for.pop(connection, None)

    def count(self, reason: str) -> None:
        """One more was cut off."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.seconds += TICK_SECONDS
        for connection, until in list(self._waited_for.items()):
            if until <= self.seconds:
                connection.late()
        self._ticking = bool(self._open)
        if self._ticking:
            loop.call_later(TICK_SECONDS, self._tick, loop)
