"""One phone's measurement: its first request, its warm-up, and its measured requests, each a figure of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from edgeproof.client.drive import Drive
from edgeproof.client.lines import OpenLine
from edgeproof.client.phone import Phone
from edgeproof.client.report import ClientReport
from edgeproof.client.target import Target
from edgeproof.measure.latency import Beside, Timed, time_calls
from edgeproof.measure.machine import usable_cpus

__all__ = ["INTERRUPTED", "Calling"]

INTERRUPTED = "it was interrupted"


class Calling:
    """A phone, from its first request to its report.

    Args:
        target: what it calls.
        line: its own connection, closed.
        how: all phones' requests.
        number: which phone it is.
        among: how many there are.
        stopped: asked before each request whether it is over.

    Attributes:
        phone: with what it has seen over the measured requests.
    """

    def __init__(
        self,
        target: Target,
        line: OpenLine,
        how: Drive,
        *,
        number: int = 0,
        among: int = 1,
        stopped: Callable[[], bool] | None = None,
    ) -> None:
        self._target, self._line, self._how = target, line, how
        self._number, self._among, self._stopped = number, among, stopped
        self._first_us: tuple[float, ...] = ()
        self._before = (0, 0, 0)
        self.phone = Phone(line, retries=how.retries)

    def warm_up(self) -> None:
        """The first request, timed with the opening of its connection, and the warm-up.

        Raises:
            ServingError: nobody listens there.
        """
        requests, before = self._target.requests, Phone(self._line)
        begin = time.perf_counter_ns()
        if before.call(requests[self._number % len(requests)]):
            self._first_us = ((time.perf_counter_ns() - begin) / 1000,)
        for index in range(self._how.warmup):
            if self._stopped is not None and self._stopped():
                break
            before.call(requests[index % len(requests)])
        self._before = self._counts()

    def measure(
        self,
        *,
        around: AbstractContextManager[object] | None = None,
        beside: Beside | None = None,
        kept: Callable[[ClientReport], None] | None = None,
    ) -> ClientReport:
        """The measured requests.

        Args:
            around: entered before the first of them.
            beside: looked at between them.
            kept: takes what was measured when it is interrupted, before the interruption is raised.

        Raises:
            ServingError: nobody listens there any more.
            KeyboardInterrupt: it was interrupted.
        """
        timed = time_calls(
            self.phone.call,
            self._target.requests,
            replace(self._how.settings(self._number, self._among), stopped=self._stopped),
            schedule=self._how.schedule(self._number, self._among),
            around=around,
            beside=beside,
            kept=None if kept is None else lambda timed: kept(self._report(timed)),
        )
        return self._report(timed)

    def _counts(self) -> tuple[int, int, int]:
        line = self._line
        return line.sent_bytes, line.received_bytes, line.opened

    def _report(self, timed: Timed) -> ClientReport:
        server, model, phone = self._target.server, self._target.model, self.phone
        sent, received, opened = (now - then for now, then in zip(self._counts(), self._before, strict=True))
        over = timed.interrupted or (self._stopped is not None and self._stopped())
        return ClientReport(
            url=self._line.url,
            model=model.name,
            platform=model.platform,
            requests=len(timed.values_us) + phone.errors,
            warmup=self._how.warmup,
            rate_per_s=self._how.rate_per_s,
            latency_us=tuple(timed.values_us),
            inference_us=tuple(phone.inference_us),
            errors=phone.errors,
            first_error=phone.first_error,
            non_finite=phone.non_finite,
            body_bytes=self._target.body_bytes,
            seconds=timed.seconds,
            client_cpus=usable_cpus(),
            server_cpus=tuple(server.cpus),
            server=None,
            threads=server.threads,
            degraded=phone.degraded or model.degraded or server.degraded,
            load=self._how.load(),
            phone_counts=(len(timed.values_us),),
            first_us=self._first_us,
            late_us=tuple(timed.late_us),
            retries=phone.retried,
            sent_bytes=sent,
            received_bytes=received,
            connections=opened + (self._how.reuse and 1),
            partial=INTERRUPTED if over else None,
        )
