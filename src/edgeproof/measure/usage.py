"""Processor time and resident memory of a server's processes over time, thinned to a bounded number of points.

It looks when it is asked to: between calls of a client that drives the server itself, or from a thread where the client
is another process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType

from edgeproof.documents.latency import ProcessUse
from edgeproof.documents.load import UsePoint
from edgeproof.measure.process import busy_seconds, memory_of

__all__ = ["UsageOverTime"]

MOST_POINTS = 120
"""Beyond that every second one is left out, and looks are twice as far apart."""


class UsageOverTime:
    """Use of some processes together, while the block runs.

    Args:
        pids: the processes; one that is gone counts as nothing.
        every_s: seconds between two looks, at first.
        own_thread: whether a thread looks; else ``look`` is called.
    """

    def __init__(self, pids: Sequence[int], *, every_s: float = 0.25, own_thread: bool = False) -> None:
        self.every_s = every_s
        self._pids = tuple(pids)
        self._points: list[UsePoint] = []
        self._began = self._looked = time.perf_counter()
        self._busy_at_start: float | None = None
        self._busy: float | None = None
        self._seconds = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True) if own_thread else None

    def __enter__(self) -> UsageOverTime:
        self._began = self._looked = time.perf_counter()
        self._busy = self._busy_at_start = busy_seconds(self._pids)
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._over.set()
            self._thread.join()
        self.look()
        self._seconds = self._looked - self._began

    def look(self) -> None:
        """Take a point."""
        now, busy = time.perf_counter(), busy_seconds(self._pids)
        passed = now - self._looked
        known = busy is not None and self._busy is not None and busy >= self._busy and passed > 0
        percent = round(100 * (busy - self._busy) / passed, 1) if known else None  # type: ignore[operator]
        memory = memory_of(self._pids).resident_bytes
        self._looked, self._busy = now, busy
        self._points.append(UsePoint(seconds=round(now - self._began, 3), cpu_percent=percent, memory_bytes=memory))
        if len(self._points) > MOST_POINTS:
            self._points, self.every_s = self._points[1::2], 2 * self.every_s

    def use(self) -> ProcessUse:
        """Processor use over the block in percent of one core, and the sum of the peaks of memory until now."""
        known = self._busy is not None and self._busy_at_start is not None and self._seconds > 0
        busy = self._busy - self._busy_at_start if known else 0.0  # type: ignore[operator]
        return ProcessUse(
            cpu_percent=round(100 * busy / self._seconds, 1) if known and busy >= 0 else None,
            peak_memory_bytes=memory_of(self._pids).peak_bytes,
        )

    def points(self) -> tuple[UsePoint, ...]:
        """What was seen."""
        return tuple(self._points)

    def _watch(self) -> None:
        while not self._over.wait(self.every_s):
            self.look()
