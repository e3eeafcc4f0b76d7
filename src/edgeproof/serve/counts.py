"""What is counted of a model's requests, whichever way they come and in whichever thread they are answered."""

from __future__ import annotations

import math
import threading
import time

from edgeproof.serve.histogram import Histogram
from edgeproof.serve.holding import error_body
from edgeproof.serve.log import Log

__all__ = ["Counts"]


class Counts:
    """Of one model. Any thread may call any of it.

    Args:
        name: of the model.
        log: has a line for each request, where it takes these.

    Attributes:
        requests: that came.
        errors: of them, answered with another status than 200.
        refused: of these, because too many waited.
        inference: time of the model's calls.
        whole: time from a request's arrival to its answer.
    """

    def __init__(self, name: str, log: Log) -> None:
        self._name, self._log = name, log
        self._lock = threading.Lock()
        self.requests = self.errors = self.refused = 0
        self.inference, self.whole = Histogram(), Histogram()

    def came(self) -> None:
        """A request more."""
        with self._lock:
            self.requests += 1

    def refusal(self, waiting: int) -> tuple[bytes, int]:
        """What a request is told that finds so many that wait already, and after how many whole seconds it is worth
        asking again, if each of these takes as long as those before."""
        with self._lock:
            self.refused += 1
            mean_s = self.inference.mean_s()
        busy = f"{waiting} requests wait for {self._name} already; ask again later"
        return error_body(busy), max(1, math.ceil(waiting * mean_s))

    def answered(self, status: int, came_ns: int, spent_ns: int, bytes_in: int, bytes_out: int) -> None:
        """A request has its answer.

        Args:
            status: HTTP's.
            came_ns: when it was whole, by ``time.perf_counter_ns``.
            spent_ns: of the model's call; 0 where there was none.
            bytes_in: of its body.
            bytes_out: of the answer's.
        """
        whole_ns = time.perf_counter_ns() - came_ns
        with self._lock:
            self.whole.add(whole_ns)
            if spent_ns:
                self.inference.add(spent_ns)
            if status >= 400:
                self.errors += 1
        if self._log.requests:
            self._log.event(
                "request",
                model=self._name,
                status=status,
                us=round(whole_ns / 1e3, 1),
                bytes_in=bytes_in,
                bytes_out=bytes_out,
            )
