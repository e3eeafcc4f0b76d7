"""Several pieces of work at a time, each in a thread that waits for processes: an interruption ends all of them."""

from __future__ import annotations

import contextlib
import contextvars
import os
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

__all__ = ["Started", "Stopped", "each", "started_here"]

T = TypeVar("T")
R = TypeVar("R")


class Stopped(BaseException):
    """In a thread of ``each``: the work was interrupted. No ``Exception``, so that nobody takes it for a result."""


class Started:
    """Processes that the threads of one ``each`` have started, each the leader of its group."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self.stopped = False

    def add(self, pid: int) -> None:
        """One more; it is killed at once where all were stopped."""
        with self._lock:
            self._groups.add(pid)
            if self.stopped:
                _kill(pid)

    def remove(self, pid: int) -> None:
        """It has ended, and was waited for."""
        with self._lock:
            self._groups.discard(pid)

    def stop(self) -> None:
        """Kill all there are, and all there will be."""
        with self._lock:
            self.stopped = True
            for pid in self._groups:
                _kill(pid)

    def check(self) -> None:
        """Whether the work goes on.

        Raises:
            Stopped: it does not.
        """
        if self.stopped:
            raise Stopped


_here: contextvars.ContextVar[Started | None] = contextvars.ContextVar("started", default=None)


def started_here() -> Started | None:
    """What keeps the processes of the work that this thread is part of; None where nobody does."""
    return _here.get()


def each(function: Callable[[T], R], items: Iterable[T], *, parallel: int) -> list[R]:
    """Call a function on each item, several at a time.

    Where this thread is interrupted, or one of them raises, what the others have started is killed, they end, and
    nothing more begins.

    Args:
        function: called in threads.
        items: in the order in which they are begun.
        parallel: at a time.

    Returns:
        results in the order of the items.
    """
    started = Started()

    def call(item: T) -> R:
        _here.set(started)
        started.check()
        return function(item)

    with ThreadPoolExecutor(max_workers=max(1, parallel)) as pool:
        futures = [pool.submit(contextvars.copy_context().run, call, item) for item in items]
        try:
            for failed in wait(futures, return_when=FIRST_EXCEPTION).done:
                failed.result()
            return [future.result() for future in futures]
        except BaseException:
            started.stop()
            raise


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
