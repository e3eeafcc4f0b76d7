"""What kinds of work have cost on this machine, in seconds and in memory, as earlier runs have taught."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import msgspec

from edgeproof.files import user_cache, write_bytes

__all__ = ["Cost", "Costs"]

NEWEST = 0.5
"""Weight of what was seen last: converters change with their versions, and models with their users."""
UNKNOWN_S = 10.0
UNKNOWN_BYTES = 1 << 30
MOST_KINDS = 2000
"""Kept; a user has some dozens of candidates, packages of others' formats a few more."""


class Cost(msgspec.Struct, frozen=True):
    """Of one kind of work.

    Attributes:
        seconds: by the clock.
        memory_bytes: resident, of its largest process.
    """

    seconds: float = UNKNOWN_S
    memory_bytes: int = UNKNOWN_BYTES


class Costs:
    """What is known, kept in a file among the user's caches; a file that cannot be read or written is forgotten.

    Args:
        path: of the file; None: the user's own.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or user_cache() / "costs.json"
        self._lock = threading.Lock()
        self._known = self._read()

    def of(self, kind: str) -> Cost | None:
        """What such work costs; None where it was never seen."""
        with self._lock:
            return self._known.get(kind)

    def learn(self, kind: str, seen: Cost) -> None:
        """Such work has cost so much now."""
        with self._lock:
            known = self._known.pop(kind, seen)
            seconds = (1 - NEWEST) * known.seconds + NEWEST * seen.seconds
            self._known[kind] = Cost(round(seconds, 3), max(seen.memory_bytes, known.memory_bytes // 2))

    def keep(self) -> None:
        """Write them down, with what others have learned meanwhile of other kinds of work."""
        with self._lock:
            merged = {**self._read(), **self._known}
            newest = dict(list(merged.items())[-MOST_KINDS:])
            with contextlib.suppress(OSError):
                write_bytes(self._path, msgspec.json.encode(newest))

    def _read(self) -> dict[str, Cost]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, Cost])
        except (OSError, msgspec.MsgspecError):
            return {}
