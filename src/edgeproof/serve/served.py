"""A model behind a server: the process that holds it, the requests that wait for it, and what becomes of them when it
dies.

Everything here happens in the event loop's thread; the model's own work does not, and other threads reach its process
over further lanes.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from edgeproof import errors
from edgeproof.errors import EdgeProofError, ProcessError, ServingError
from edgeproof.process import Child, module_command, outcome_of, spawn
from edgeproof.serve.counts import Counts
from edgeproof.serve.forked import start_forked
from edgeproof.serve.further import FurtherLane, bring_lane, cut_off
from edgeproof.serve.holding import Held, error_body
from edgeproof.serve.lane import INLINE_BYTES, Lane, LaneClosed, Message, lane_pair
from edgeproof.serve.log import Log
from edgeproof.serve.opening import Opening
from edgeproof.serve.worker import NotOpened
from edgeproof.serve.worker import main as worker_main

if TYPE_CHECKING:
    import asyncio

__all__ = ["Asking", "ServedModel"]

ATTEMPTS = 5
"""Starts in a row that may fail before the model is given up."""
WAIT_S = 0.1
"""Before the second start in a row; each further one waits twice as long."""
GRACE_S = 2.0
"""For a process that closed its lane to end by itself, so that its exit code is its own."""


class Asking(Protocol):
    """A request, and who waits for its answer.

    Attributes:
        body: of the request.
        json_bytes: of JSON at its beginning where tensors follow; None: it is JSON alone.
        came_ns: when it was whole, by ``time.perf_counter_ns``.
    """

    body: Any
    json_bytes: int | None
    came_ns: int

    def answered(self, status: int, body: Any, json_bytes: int | None = None, retry_s: int | None = None) -> None:
        """Called once, perhaps at once.

        Args:
            status: HTTP's.
            body: of the answer.
            json_bytes: of JSON at its beginning where tensors follow; None: it is JSON alone.
            retry_s: after which it is worth asking again; None: nothing to say of that.
        """
        ...


class ServedModel:
    """One model of a server.

    Args:
        opening: what is served.
        queue: requests that may wait while one runs; a further one is refused at once.
        call_seconds: that one request may take, before the process that runs it is stopped.
        log: told what happens.

    Attributes:
        name: in the URL.
        held: what its process says of it; None before the first has opened it.
        metadata: of the protocol, encoded.
        counts: of its requests, those over further lanes too.
        restarts: of its process.
    """

    def __init__(self, opening: Opening, *, queue: int, call_seconds: float, log: Log) -> None:
        self.name = opening.name
        self.held: Held | None = None
        self.metadata = b""
        self._opening, self._queue_limit, self._call_seconds, self._log = opening, queue, call_seconds, log
        self._loop: asyncio.AbstractEventLoop | None = None
        self._child: Child | None = None
        self._lane: Lane | None = None
        self._ready = False
        self._given_up: str | None = None
        self._failures = 0
        self._waiting: deque[Asking] = deque()
        self._running: Asking | None = None
        self._asked_ns = self._answered_ns = 0
        self._late = False
        self._closed = False
        self._further: list[FurtherLane] = []
        self.restarts = 0
        self.counts = Counts(self.name, log)

    @property
    def ready(self) -> bool:
        """Whether a request would be answered now, or after those that wait."""
        return self._ready

    @property
    def pid(self) -> int | None:
        """Of the process that holds it."""
        return None if self._child is None else self._child.pid

    @property
    def waiting(self) -> int:
        """Requests that wait, without those that run."""
        return len(self._waiting) + sum(lane.waiting for lane in self._further)

    @property
    def dropped(self) -> int:
        """Requests that were given up for newer ones, on streams."""
        return sum(lane.dropped for lane in self._further)

    @property
    def queue(self) -> int:
        """Requests that may wait on one way to it."""
        return self._queue_limit

    def further_lane(self) -> FurtherLane:
        """A way to its process for another thread; to be asked for before the model is waited for."""
        lane = FurtherLane(self.name)
        self._further.append(lane)
        return lane

    def start(self, *, fork: bool = False) -> None:
        """Start the process; it opens the model meanwhile.

        Args:
            fork: this process is young enough to be forked, where that can be.

        Raises:
            ProcessError: it cannot be started.
        """
        lane, there, memory = lane_pair()
        try:
            with there:
                command = module_command("edgeproof.serve.worker")
                start = start_forked(worker_main) if fork else spawn
                self._child = Child(command, threads=self._opening.threads, stdin=there.fileno(), start=start)
            socket.send_fds(lane.socket, [b"m"], [memory])
            lane.send(Message(0, msgspec.json.encode(self._opening)))
        except BaseException as error:
            lane.close()
            if isinstance(error, LaneClosed | OSError):
                raise ProcessError(f"the process of {self.name} ended at once{self._said()}") from error
            raise
        self._lane = lane

    def wait_open(self) -> Held:
        """Wait for the model to be open; no loop is needed yet.

        Raises:
            EdgeProofError: it cannot be opened, with its reason.
        """
        assert self._lane is not None
        try:
            told = self._lane.receive()
            assert told is not None
            held = self._opened(told)
            self._bring_lanes()
            return held
        except LaneClosed:
            raise ServingError(
                f"{self.name} cannot be served: the process that opened it {self._end()}",
                hint="is the file whole, and for this machine? copy it again, or convert again",
            ) from None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer requests in this loop, once the model is open."""
        assert self._lane is not None
        self._loop = loop
        self._lane.socket.setblocking(False)
        loop.add_reader(self._lane.socket.fileno(), self._readable)

    def submit(self, came: Asking) -> None:
        """Have a request answered, in its turn."""
        self.counts.came()
        if self._given_up is not None:
            self._finish(came, 503, error_body(self._given_up))
        elif self._running is None and self._ready:
            self._ask(came, came.came_ns)
        elif len(self._waiting) < self._queue_limit:
            self._waiting.append(came)
        else:
            body, retry_s = self.counts.refusal(len(self._waiting))
            self._finish(came, 503, body, retry_s=retry_s)

    def forget(self, came: Asking) -> None:
        """Nobody waits for this answer any more; what runs already is not stopped."""
        with contextlib.suppress(ValueError):
            self._waiting.remove(came)

    def look(self) -> None:
        """Pass on what the process has printed, and stop it where it has not answered in time; to be called now and
        then."""
        self._pass_on()
        asked = [lane.asked_ns for lane in self._further if lane.asked_ns]
        if self._running is not None:
            asked.append(self._asked_ns)
        if not asked or self._child is None or self._late:
            return
        # It runs one request at a time: the one that it is at began when it was asked, or when the one before was over.
        since_ns = max(min(asked), self._answered_ns, *(lane.answered_ns for lane in self._further))
        if (time.perf_counter_ns() - since_ns) / 1e9 > self._call_seconds:
            self._late = True
            self._child.stop()

    def close(self) -> None:
        """End the process; what waits is not answered."""
        self._closed = True
        self._ready = False
        for lane in self._further:
            lane.give_up("the server ends")
        self._let_go()

    def _ask(self, came: Asking, now_ns: int) -> None:
        assert self._lane is not None
        self._running, self._asked_ns = came, now_ns
        try:
            self._lane.send(Message(0, came.body, came.json_bytes))
        except LaneClosed:
            self._died()

    def _readable(self) -> None:
        assert self._lane is not None
        try:
            told = self._lane.receive()
        except LaneClosed:
            self._died()
            return
        if told is None:
            return
        if not self._ready:
            self._reopened(told)
            return
        came, self._running = self._running, None
        if came is None:
            return
        self._answered_ns = time.perf_counter_ns()
        body = told.body if len(told.body) <= INLINE_BYTES else bytes(told.body)  # the next answer lies where it does
        self._finish(came, told.status, body, told.json_bytes, spent_ns=told.spent_ns)
        if self._waiting:
            self._next()

    def _next(self) -> None:
        if self._waiting and self._running is None and self._ready:
            self._ask(self._waiting.popleft(), time.perf_counter_ns())

    def _finish(
        self,
        came: Asking,
        status: int,
        body: Any,
        json_bytes: int | None = None,
        retry_s: int | None = None,
        spent_ns: int = 0,
    ) -> None:
        self.counts.answered(status, came.came_ns, spent_ns, len(came.body), len(body))
        came.answered(status, body, json_bytes, retry_s)

    def _died(self) -> None:
        """The process is gone: its caller hears of it, and another takes its place."""
        how = f"did not answer within {self._call_seconds:g} s and was stopped" if self._late else self._end()
        was_ready, self._ready, self._late = self._ready, False, False
        self._let_go()
        if self._closed:
            return
        amid = self._running is not None or any(lane.asked_ns for lane in self._further)
        self._log.event("worker died", model=self.name, how=how, amid_request=amid)
        for lane in self._further:
            lane.lost(how)
        came, self._running = self._running, None
        if not was_ready:
            self._failed(f"the process that opened it {how}")
        else:
            self._failures = 0
            self._start_again()
        if came is not None:
            self._finish(came, 500, cut_off(self.name, how))

    def _start_again(self) -> None:
        if self._closed:
            return
        assert self._loop is not None
        self.restarts += 1
        try:
            self.start()
            self.attach(self._loop)
        except ProcessError as error:
            self._failed(error.message)

    def _failed(self, reason: str) -> None:
        """It could not be opened again: try it some more times, ever later, and then give it up."""
        self._failures += 1
        if self._failures >= ATTEMPTS:
            self._given_up = f"{self.name} is not served any more, after {self._failures} starts that failed: {reason}"
            self._log.event("model given up", model=self.name, reason=reason)
            waiting, self._waiting = self._waiting, deque()
            for came in waiting:
                self._finish(came, 503, error_body(self._given_up))
            for lane in self._further:
                lane.give_up(self._given_up)
            return
        assert self._loop is not None
        self._loop.call_later(WAIT_S * 2 ** (self._failures - 1), self._start_again)

    def _reopened(self, told: Message) -> None:
        try:
            self._opened(told)
            self._bring_lanes()
        except EdgeProofError as error:
            self._let_go()
            self._failed(error.message)
            return
        except LaneClosed:
            self._died()
            return
        self._failures = 0
        self._log.event("worker ready", model=self.name, pid=self.pid)
        self._next()

    def _opened(self, told: Message) -> Held:
        if told.status != 200:
            reason = msgspec.json.decode(bytes(told.body), type=NotOpened)
            kind = getattr(errors, reason.kind, ServingError)
            raise kind(reason.message, hint=reason.hint)
        self.held = msgspec.json.decode(bytes(told.body), type=Held)
        self.metadata = msgspec.json.encode(self.held.metadata)
        self._ready = True
        return self.held

    def _bring_lanes(self) -> None:
        """Give the further lanes to a process that has just opened the model.

        Raises:
            LaneClosed: it is gone.
        """
        assert self._lane is not None
        for lane in self._further:
            lane.opened(bring_lane(self._lane))

    def _end(self) -> str:
        """How the process ended, in words."""
        assert self._child is not None
        code = self._child.stop(grace_s=GRACE_S)
        return f"{outcome_of(code)}{self._said()}"

    def _said(self) -> str:
        said = "" if self._child is None else self._child.said()
        return f"; it said: {said}" if said else ""

    def _pass_on(self) -> None:
        """What a model prints is read where the server's own words are."""
        said = b"" if self._child is None else self._child.printed()
        if said:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.buffer.write(said)
                sys.stderr.buffer.flush()

    def _let_go(self) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            if self._loop is not None:
                self._loop.remove_reader(lane.socket.fileno())
            lane.close()
        self._pass_on()
        child, self._child = self._child, None
        if child is not None:
            child.close()
