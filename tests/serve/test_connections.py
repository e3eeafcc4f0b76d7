"""All connections together: places, whose turn it is, and a clock that stands still while nobody listens."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import cast

import pytest

from edgeproof.serve.connections import TICK_SECONDS, Connections
from edgeproof.serve.limits import ServerLimits


class Clock:
    """A loop of which only the timer is asked; it leaves out that time passes by itself."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_later(self, seconds: float, call: Callable[..., None], *words: object) -> None:
        assert seconds == TICK_SECONDS
        self.due.append(functools.partial(call, *words))

    def tick(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()


class Client:
    """A connection without a socket: it stands for what is told to be late or dropped."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self.connections, self.told = connections, list[str]()
        self.taken = connections.enter(self, cast("asyncio.AbstractEventLoop", clock))

    def late(self) -> None:
        self.told.append("late")
        self.connections.leave(self)

    def drop(self) -> None:
        self.told.append("dropped")
        self.connections.leave(self)


@pytest.fixture
def connections() -> Connections:
    return Connections(ServerLimits(body_bytes=1, connections=3))


def test_the_one_that_lets_the_server_wait_for_longest_makes_room(connections: Connections) -> None:
    clock = Clock()
    first, second, third = (Client(connections, clock) for _ in range(3))
    for client in (first, second, third):
        connections.wait_for(client, 10)
    connections.answer(second)
    connections.wait_for(first, 10)
    assert Client(connections, clock).taken
    assert (first.told, second.told, third.told) == ([], [], ["dropped"])
    assert connections.refused == {"connections": 1}


def test_where_all_are_being_answered_there_is_no_room(connections: Connections) -> None:
    clock = Clock()
    clients = [Client(connections, clock) for _ in range(3)]
    late = Client(connections, clock)
    assert not late.taken
    assert not connections.has(late)
    assert all(client.told == [] for client in clients)
    connections.leave(clients[0])
    assert Client(connections, clock).taken


def test_one_is_late_after_its_seconds_and_what_it_brings_gives_it_more(connections: Connections) -> None:
    clock = Clock()
    slow, steady = Client(connections, clock), Client(connections, clock)
    for client in (slow, steady):
        connections.wait_for(client, 2 * TICK_SECONDS)
    connections.extend(steady, TICK_SECONDS)
    clock.tick()
    assert slow.told == []
    clock.tick()
    assert (slow.told, steady.told) == (["late"], [])
    clock.tick()
    assert steady.told == ["late"]


def test_the_clock_runs_only_while_somebody_is_there(connections: Connections) -> None:
    clock = Clock()
    client = Client(connections, clock)
    Client(connections, clock)
    assert len(clock.due) == 1
    clock.tick()
    assert len(clock.due) == 1
    for left in list(connections._open):
        connections.leave(left)
    clock.tick()
    assert clock.due == []
    connections.wait_for(client, 1)
    assert connections.seconds == 2 * TICK_SECONDS
    Client(connections, clock)
    assert len(clock.due) == 1


def test_one_that_was_being_answered_when_it_left_is_not_waited_for(connections: Connections) -> None:
    clock = Clock()
    gone, other = Client(connections, clock), Client(connections, clock)
    connections.leave(gone)
    connections.wait_for(gone, TICK_SECONDS)
    connections.extend(gone, 1)
    clock.tick()
    assert (gone.told, other.told) == ([], [])
