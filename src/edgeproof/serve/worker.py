"""The process that holds one model: it answers on its lanes until the server lets go of them.

    python -m edgeproof.serve.worker

has its first lane on stdin. What is to be opened comes first, and ``Held`` goes back, or why it cannot be opened.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import socket
from collections.abc import Sequence
from typing import Any

import msgspec

from edgeproof.child import child_main
from edgeproof.errors import EdgeProofError
from edgeproof.serve.holding import Holding
from edgeproof.serve.lane import Lane, LaneClosed, Message, over_socket
from edgeproof.serve.opening import Opened, Opening

__all__ = ["NEW_LANE", "NotOpened", "main"]

NEW_LANE = 1
"""The status of a question that brings a further lane with it."""


class NotOpened(msgspec.Struct, frozen=True):
    """Why a model cannot be opened."""

    kind: str
    message: str
    hint: str | None = None


def main(_words: Sequence[str]) -> int:
    """Open the model, and answer until nobody asks any more."""
    try:
        first = over_socket(socket.socket(fileno=os.dup(0)))
        question = first.receive()
        assert question is not None
        opening = msgspec.json.decode(bytes(question.body), type=Opening)
        try:
            holding = Holding(opened_by(opening), opening)
        except EdgeProofError as error:
            told = NotOpened(type(error).__name__, error.message, error.hint)
            first.send(Message(500, msgspec.json.encode(told)))
            return 1
        except Exception as error:
            told = NotOpened("ServingError", f"{opening.name} cannot be opened: {type(error).__name__}: {error}")
            first.send(Message(500, msgspec.json.encode(told)))
            return 1
        gc.collect()
        gc.freeze()  # what lives as long as the process is not looked through again and again
        first.send(Message(200, msgspec.json.encode(holding.held)))
        answer_all(holding, first)
    except LaneClosed:
        return 0
    return 0


def opened_by(opening: Opening) -> Opened:
    """What the opener that is named gives."""
    module, _, function = opening.opener.partition(":")
    found: Any = getattr(importlib.import_module(module), function)
    opened: Opened = found(opening)
    return opened


def answer_all(holding: Holding, first: Lane) -> None:
    """Answer on every lane, one question after the other, until the first is closed.

    Raises:
        LaneClosed: it is.
    """
    lanes = {first.socket.fileno(): first}
    answer = holding.answer
    while len(lanes) == 1:
        question = first.receive()
        assert question is not None
        if question.status == NEW_LANE:
            add(lanes, first)
        else:
            first.send(answer(question))
    poll = select.poll()
    for number in lanes:
        poll.register(number, select.POLLIN)
    while True:
        for number, _ in poll.poll():
            lane = lanes[number]
            try:
                question = lane.receive()
                assert question is not None
                if question.status == NEW_LANE:
                    poll.register(add(lanes, lane), select.POLLIN)
                else:
                    lane.send(answer(question))
            except LaneClosed:
                if lane is first:
                    raise
                poll.unregister(number)
                lanes.pop(number).close()


def add(lanes: dict[int, Lane], over: Lane) -> int:
    """A further lane, which comes over this one once it is asked for; its descriptor."""
    over.send(Message(200, b""))
    _, numbers, _, _ = socket.recv_fds(over.socket, 1, 1)
    lane = over_socket(socket.socket(fileno=numbers[0]))
    lanes[lane.socket.fileno()] = lane
    return lane.socket.fileno()


if __name__ == "__main__":
    child_main(main)
