"""The states of clients that ask step by step: each sequence has its own, is begun, goes on, ends, and is forgotten
when nobody asks any more.

The words are those of Triton's sequence extension: ``sequence_id``, ``sequence_start``, ``sequence_end``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from edgeproof.errors import ServingError
from edgeproof.serve.protocol import Asked, ProtocolError
from edgeproof.serve.running import Stepping

__all__ = ["Sequences", "TooMany"]


class TooMany(ServingError):
    """Every place is taken; the server answers 503."""


class Sequences:
    """Those of one model.

    Args:
        make: states as they are at the beginning.
        most: that are kept at a time.
        seconds: that one is kept without a request.
        clock: seconds that pass.
    """

    def __init__(
        self,
        make: Callable[[], Stepping],
        *,
        most: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make, self._most, self._seconds, self._clock = make, most, seconds, clock
        self._kept: dict[str | int, tuple[Stepping, float]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def states(self, asked: Asked) -> Stepping:
        """The states that a request goes on from. They count as asked for just now.

        Raises:
            ProtocolError: it was never begun, has ended, or was not asked for in time.
            TooMany: every place is taken by one that is not over.
        """
        now = self._clock()
        if asked.start:
            self._kept.pop(asked.id, None)
            self._forget(now)
            if len(self._kept) >= self._most:
                raise TooMany(f"all {self._most} sequences are in use; each is kept for {self._seconds:g} s")
            found = self._make()
        else:
            self._forget(now)
            kept = self._kept.pop(asked.id, None)
            if kept is None:
                raise ProtocolError(
                    f"there is no sequence {asked.id!r}: it was not begun with sequence_start, has ended, was not "
                    f"asked for in {self._seconds:g} s, or the process that held it was started anew"
                )
            found = kept[0]
        self._kept[asked.id] = found, now  # those that were asked for least recently stand first
        return found

    def end(self, asked: Asked) -> None:
        """It is over."""
        self._kept.pop(asked.id, None)

    def _forget(self, now: float) -> None:
        """Those that nobody has asked for in time."""
        while self._kept:
            key, (_, last) = next(iter(self._kept.items()))
            if now - last <= self._seconds:
                return
            del self._kept[key]
