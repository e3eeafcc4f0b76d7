"""One phone: a connection of its own, one request at a time, its answers parsed in full and what went wrong counted."""

from __future__ import annotations

import time
from typing import Protocol

from edgeproof.client.connection import Reply
from edgeproof.client.target import message_of
from edgeproof.client.wire import parse_answer
from edgeproof.errors import ServingError

__all__ = ["Line", "Phone"]

GIVE_UP = 100
"""Requests in a row whose connection was lost: nobody answers there any more, though something takes connections."""
LONGEST_RETRY_S = 5.0


class Line(Protocol):
    """What a phone sends over: ``Connection`` is HTTP's."""

    def send(self, request: bytes) -> Reply:
        """Send one encoded request and read its whole answer; raises ServingError where there is none."""
        ...

    def connect(self) -> None:
        """Open it anew; raises ServingError where nobody listens."""
        ...

    def shut(self) -> None:
        """Break it off from another thread: a wait for an answer ends."""
        ...


class Phone:
    """Calls over one line, with what was seen.

    Args:
        line: its own.
        retries: how often a request is sent again that found no answer or a busy server (503, after the time that it
            asks for); its latency counts from the first time.

    Attributes:
        inference_us: the session's run alone, as the server tells it, one value an answer that tells it.
        errors: requests without a right answer, retries included in each.
        retried: requests that were sent again, each time.
        first_error: what the first of them met.
        non_finite: values in outputs that were NaN or Inf.
        degraded: why the runtime has fallen back, as answers say.
    """

    def __init__(self, line: Line, *, retries: int = 0) -> None:
        self._line = line
        self._retries = retries
        self._lost = 0
        self._over = False
        self.inference_us: list[float] = []
        self.errors = 0
        self.retried = 0
        self.first_error: str | None = None
        self.non_finite = 0
        self.degraded: str | None = None

    def call(self, request: bytes) -> bool:
        """One request and its parsed answer; False where there is none.

        Raises:
            ServingError: nobody listens there any more.
        """
        for again in range(self._retries, -1, -1):
            try:
                reply = self._line.send(request)
            except ServingError as error:
                if self._over:
                    return False
                self._line.connect()
                if not again:
                    self._lost += 1
                    if self._lost >= GIVE_UP:
                        raise ServingError(f"{GIVE_UP} requests in a row found no answer: {error.message}") from error
                    return self._fail(error.message)
                self.retried += 1
                continue
            self._lost = 0
            if reply.status == 503 and again:
                self.retried += 1
                time.sleep(min(reply.retry_after_s or 0.0, LONGEST_RETRY_S))
                continue
            return self._read(reply)
        raise AssertionError("the last attempt returns")

    def hang_up(self) -> None:
        """From another thread: the request under way ends without an answer, and counts as none that was made."""
        self._over = True
        self._line.shut()

    def _read(self, reply: Reply) -> bool:
        if reply.status != 200:
            return self._fail(f"HTTP {reply.status}: {message_of(reply)}")
        try:
            answer = parse_answer(reply.body, reply.json_bytes)
        except ServingError as error:
            return self._fail(error.message)
        told = answer.parameters
        if "degraded" in told:
            self.degraded = str(told["degraded"])
        spent = told.get("inference_us")
        if isinstance(spent, int | float):
            self.inference_us.append(float(spent))
        self.non_finite += answer.non_finite
        return True

    def _fail(self, reason: str) -> bool:
        self.errors += 1
        self.first_error = self.first_error or reason
        return False
