"""What a server does, a line of JSON each: ``{"time": …, "event": …, …}``. Nothing that a client sent stands in it but
the names of models and the length of what came."""

from __future__ import annotations

import time
from typing import IO, Any

import msgspec

__all__ = ["Log"]


class Log:
    """Where it goes.

    Args:
        file: lines are written to it at once; None: nowhere.
        requests: whether each request has a line.
    """

    def __init__(self, file: IO[bytes] | None = None, *, requests: bool = False) -> None:
        self._file = file
        self.requests = requests and file is not None

    def event(self, event: str, **about: Any) -> None:
        """One line. A disk that is full stops no server."""
        if self._file is None:
            return
        now = time.time_ns()
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
        line = {"time": f"{second}.{now // 10**6 % 1000:03}Z", "event": event, **about}
        try:
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()
        except OSError:
            self._file = None
