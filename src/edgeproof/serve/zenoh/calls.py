"""A model's requests over zenoh, in whichever of zenoh's threads they come, one after the other to its process.

A query that finds the model idle is answered in the thread that brought it, if that is quick: a change of threads
costs more than a small network. What takes longer goes on in a thread of the model's own, so that zenoh's is free to
keep connections alive. What is on a stream always goes there, where the newest of it are kept in order.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

from edgeproof.serve.further import FurtherLane
from edgeproof.serve.holding import error_body
from edgeproof.serve.lane import INLINE_BYTES, Message
from edgeproof.serve.served import Asking, ServedModel

__all__ = ["STREAMS", "STREAM_WAITING", "Calls"]

QUICK_NS = 1_000_000
"""A model whose last call took no longer is waited for in zenoh's thread."""
QUICK_WAIT_S = 0.005
"""For which it is."""
STREAM_WAITING = 16
"""Inputs of one stream that wait; a further one takes the place of the oldest."""
STREAMS = 64
"""That have inputs which wait at a time."""


class _Next(NamedTuple):
    """What the thread is to go on with: a request, whether the model has it, and the answer where there is one."""

    call: Asking
    asked: bool = False
    answer: Message | None = None


class Calls:
    """Those of one model.

    Args:
        model: it, not yet waited for.
    """

    def __init__(self, model: ServedModel) -> None:
        self._model, self._counts = model, model.counts
        self._lane: FurtherLane = model.further_lane()
        self._changed = threading.Condition()
        self._busy = False
        self._quick = True
        self._ending = False
        self._handed: _Next | None = None
        self._queries: deque[Asking] = deque()
        self._streams: dict[str, deque[Asking]] = {}
        self._turn_of_streams = False
        self._thread = threading.Thread(target=self._work, name=f"zenoh {model.name}", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def query(self, call: Asking) -> None:
        """Have a query answered, in its turn, perhaps before this returns."""
        self._counts.came()
        with self._changed:
            waiting = len(self._queries)
            at_once = not (self._busy or waiting or self._streams or self._ending)
            if at_once and self._quick and len(call.body) <= INLINE_BYTES:
                self._busy = True
            elif not self._ending and (at_once or waiting < self._model.queue):
                self._queries.append(call)
                self._lane.waiting += 1
                self._changed.notify()
                return
        if at_once:
            self._quickly(call)
        else:
            self._refuse(call, waiting)

    def input(self, stream: str, call: Asking) -> None:
        """Have an input of a stream answered, after those before it."""
        self._counts.came()
        refused = False
        with self._changed:
            inputs = self._streams.get(stream)
            if self._ending or (inputs is None and len(self._streams) >= STREAMS):
                refused = True
            elif inputs is None:
                self._streams[stream] = deque([call])
            else:
                inputs.append(call)
            if not refused:
                self._lane.waiting += 1
                if inputs is not None and len(inputs) > STREAM_WAITING:
                    inputs.popleft()
                    self._lane.waiting -= 1
                    self._lane.dropped += 1
                self._changed.notify()
        if refused:
            self._refuse(call, self._lane.waiting)

    def wrong(self, call: Asking, status: int, message: str) -> None:
        """What comes cannot be asked at all: say why."""
        self._counts.came()
        self._finish(call, Message(status, error_body(message)))

    def finish(self, seconds: float) -> None:
        """Answer what waits, for so long, and take nothing more."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _refuse(self, call: Asking, waiting: int) -> None:
        if self._ending:
            self._finish(call, Message(503, error_body("the server ends")))
        else:
            body, retry_s = self._counts.refusal(waiting)
            self._finish(call, Message(503, body), retry_s)

    def _finish(self, call: Asking, answer: Message, retry_s: int | None = None) -> None:
        if answer.spent_ns:
            self._quick = answer.spent_ns < QUICK_NS
        call.answered(answer.status, answer.body, answer.json_bytes, retry_s)
        self._counts.answered(answer.status, call.came_ns, answer.spent_ns, len(call.body), len(answer.body))

    def _quickly(self, call: Asking) -> None:
        """Ask and wait a little; else the model's own thread goes on with it."""
        answer = None
        asked = self._lane.ask(call.body, call.json_bytes, wait=False)
        if asked:
            answer = self._lane.answer(QUICK_WAIT_S)
            if answer is not None and len(answer.body) <= INLINE_BYTES:
                self._finish(call, answer)
                with self._changed:
                    self._busy = False
                    if self._lane.waiting or self._ending:
                        self._changed.notify()
                return
        with self._changed:
            self._handed = _Next(call, asked, answer)
            self._changed.notify()

    def _work(self) -> None:
        """What the model's own thread does, until all is answered and the server ends."""
        while (found := self._next()) is not None:
            call, asked, answer = found
            if not asked:
                self._lane.ask(call.body, call.json_bytes, wait=True)
            if answer is None:
                answer = self._lane.answer(None)
                assert answer is not None
            self._finish(call, answer)
            with self._changed:
                self._busy = False

    def _next(self) -> _Next | None:
        with self._changed:
            while True:
                found, self._handed = self._handed, None
                if found is not None:
                    return found
                if not self._busy:
                    call = self._popped()
                    if call is not None:
                        self._busy = True
                        self._lane.waiting -= 1
                        return _Next(call)
                    if self._ending:
                        return None
                self._changed.wait()

    def _popped(self) -> Asking | None:
        """A query, or an input of the stream whose turn it is: one of each in turn."""
        if self._queries and not (self._streams and self._turn_of_streams):
            self._turn_of_streams = True
            return self._queries.popleft()
        if not self._streams:
            return None
        self._turn_of_streams = False
        name, inputs = next(iter(self._streams.items()))
        call = inputs.popleft()
        del self._streams[name]
        if inputs:
            self._streams[name] = inputs  # behind the others
        return call
