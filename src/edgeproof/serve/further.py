"""A way to the process that holds a model for threads other than the event loop's: a lane of its own, on which one of
them at a time asks and waits.

The process is its ``ServedModel``'s, which opens the lane anew with each process, and says how one ended.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Any

from edgeproof.serve.holding import error_body
from edgeproof.serve.lane import INLINE_BYTES, Lane, LaneClosed, Message, lane_pair
from edgeproof.serve.worker import NEW_LANE

__all__ = ["FurtherLane", "bring_lane", "cut_off"]

TOLD_S = 10.0
"""For the event loop to say how a process ended."""
BRING_S = 5.0
"""For a process that has just opened its model to take a lane."""


class FurtherLane:
    """One such way. ``ask`` begins an exchange, ``answer`` ends it; who asks sees to it that there is one at a time.

    Args:
        name: of the model.

    Attributes:
        asked_ns: when the exchange began that has no answer yet; 0: there is none.
        answered_ns: when the last one had its answer.
        waiting: requests that wait for it, as who asks counts them.
        dropped: those that were given up for newer ones, likewise.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._lane: Lane | None = None
        self._used: Lane | None = None
        self._how: str | None = None
        self._over: str | None = None
        self._waits: tuple[Lane | None, float | None] = None, None
        self.asked_ns = self.answered_ns = 0
        self.waiting = self.dropped = 0

    def opened(self, lane: Lane) -> None:
        """There is a process, and this is the lane to it."""
        with self._changed:
            self._lane = lane
            self._changed.notify_all()

    def lost(self, how: str) -> None:
        """The process is gone; ``how`` says what it did, such as ``was killed by SIGKILL``."""
        with self._changed:
            lane, self._lane = self._lane, None
            if lane is None:
                return
            if lane is self._used:  # who waits there lets go of it
                self._how = how
                with contextlib.suppress(OSError):
                    lane.socket.shutdown(socket.SHUT_RDWR)
            else:
                lane.close()
            self._changed.notify_all()

    def give_up(self, why: str) -> None:
        """There will be no process any more."""
        with self._changed:
            self._over = why
            self._changed.notify_all()
        self.lost("ended")

    def ask(self, body: Any, json_bytes: int | None, *, wait: bool) -> bool:
        """Send a request; False where there is no process to take it.

        Args:
            body: JSON, or ``json_bytes`` of it and tensors.
            json_bytes: None: it is JSON alone.
            wait: for a process that is being started.
        """
        with self._changed:
            while wait and self._lane is None and self._over is None:
                self._changed.wait()
            used = self._used = self._lane
            if used is None:
                return False
            self._how = None
            self.asked_ns = time.perf_counter_ns()
        with contextlib.suppress(LaneClosed):  # ``answer`` finds that too
            used.send(Message(0, body, json_bytes))
        return True

    def answer(self, wait_s: float | None) -> Message | None:
        """The answer to what was asked; None: it takes longer than ``wait_s``. Without it, whatever came of it.

        Its body is the caller's to keep.
        """
        used = self._used
        if used is None:
            return Message(503, error_body(self._over or f"{self._name} is not ready"))
        try:
            if (used, wait_s) != self._waits:
                used.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(wait_s))  # a call less than poll
                self._waits = used, wait_s
            told = used.receive()
        except (LaneClosed, OSError):
            return None if wait_s is not None else self._ended()
        if told is None:
            return None
        body = told.body if len(told.body) <= INLINE_BYTES else bytes(told.body)  # the next answer lies where it does
        with self._changed:
            self._used = None
            self.answered_ns, self.asked_ns = time.perf_counter_ns(), 0
            if used is not self._lane:
                used.close()
        return told._replace(body=body)

    def _ended(self) -> Message:
        with self._changed:
            self._changed.wait_for(lambda: self._how is not None, TOLD_S)
            used, self._used = self._used, None
            self.asked_ns = 0
            if used is not None and used is not self._lane:
                used.close()
            if self._over is not None:
                return Message(503, error_body(self._over))
            how = self._how or "ended"
        return Message(500, cut_off(self._name, how))


def timeval(seconds: float | None) -> bytes:
    """As ``SO_RCVTIMEO`` takes it; None waits without end."""
    whole_us = 0 if seconds is None else max(1, round(seconds * 1e6))
    return struct.pack("ll", *divmod(whole_us, 10**6))


def cut_off(name: str, how: str) -> bytes:
    """The error of a request that a model's process did not live to answer; ``how`` says what became of it."""
    return error_body(f"the process that runs {name} {how} amid this request; it is started anew")


def bring_lane(over: Lane) -> Lane:
    """A further lane to a process that waits for questions on this one, which must wait for answers.

    Raises:
        LaneClosed: the process is gone, or takes none.
    """
    before = over.socket.gettimeout()
    over.socket.settimeout(BRING_S)
    over.send(Message(NEW_LANE, b""))
    told = over.receive()
    if told is None or told.status != 200:
        raise LaneClosed
    lane, there, memory = lane_pair()
    try:
        with there:
            socket.send_fds(over.socket, [b"l"], [there.fileno()])
        socket.send_fds(lane.socket, [b"m"], [memory])
        over.socket.settimeout(before)
    except OSError as error:
        lane.close()
        raise LaneClosed from error
    return lane
