"""A further lane to the process that holds a model, asked from a thread while the event loop runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.session import opening_of

from edgeproof.serve.further import FurtherLane, timeval
from edgeproof.serve.lane import Message
from edgeproof.serve.log import Log
from edgeproof.serve.served import ServedModel

BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [0, 1, 0, 0]}]}).encode()
OPEN = Path("/proc/self/fd")
Served = Callable[..., tuple[ServedModel, FurtherLane]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A double that is open, its event loop in a thread."""
    ours = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", ours)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    models: list[ServedModel] = []

    def serve(**words: Any) -> tuple[ServedModel, FurtherLane]:
        model = ServedModel(opening_of(**words), queue=4, call_seconds=30.0, log=Log())
        models.append(model)
        lane = model.further_lane()
        model.start()
        model.wait_open()
        model.attach(loop)
        thread.start()
        return model, lane

    yield serve
    for model in models:
        loop.call_soon_threadsafe(model.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def exchanged(lane: FurtherLane, body: bytes = BODY) -> Message:
    assert lane.ask(body, None, wait=True)
    answer = lane.answer(None)
    assert answer is not None
    return answer


def test_it_is_answered_like_the_first(served: Served) -> None:
    _, lane = served()
    answer = exchanged(lane)
    assert answer.status == 200
    assert answer.spent_ns > 0
    assert json.loads(bytes(answer.body))["outputs"][0]["data"] == [3.0, 4.0, 5.0]
    assert exchanged(lane, b"garbage").status == 400
    assert lane.answered_ns > 0
    assert lane.asked_ns == 0


def test_an_answer_that_takes_longer_than_one_waits_comes_later(served: Served) -> None:
    _, lane = served(stall_s=0.3)
    assert lane.ask(BODY, None, wait=False)
    assert lane.answer(0.01) is None
    assert lane.asked_ns > 0
    answer = lane.answer(None)
    assert answer is not None
    assert answer.status == 200


def test_it_says_how_the_process_ended_and_reaches_the_next_one(served: Served) -> None:
    model, lane = served(stall_s=0.5)
    for _ in range(3):
        assert lane.ask(BODY, None, wait=True)
        assert lane.answer(0.05) is None
        assert model.pid is not None
        os.kill(model.pid, signal.SIGKILL)
        answer = lane.answer(None)
        assert answer is not None
        assert answer.status == 500
        assert b"double was killed by SIGKILL (signal 9)" in answer.body
        assert b"amid this request; it is started anew" in answer.body
    assert exchanged(lane).status == 200
    assert model.restarts == 3


def test_there_is_none_while_the_process_is_started_anew(served: Served) -> None:
    model, lane = served()
    assert model.pid is not None
    os.kill(model.pid, signal.SIGKILL)
    while lane.ask(BODY, None, wait=False):
        lane.answer(None)
    assert lane.asked_ns == 0
    assert exchanged(lane).status == 200


def test_after_the_end_there_is_an_answer_too(served: Served) -> None:
    _, lane = served()
    lane.give_up("the server ends")
    assert not lane.ask(BODY, None, wait=True)
    answer = lane.answer(None)
    assert answer is not None
    assert answer.status == 503
    assert json.loads(answer.body) == {"error": "the server ends"}


@pytest.mark.skipif(not OPEN.is_dir(), reason="the system does not list what a process has open")
def test_files_are_not_left_open(served: Served) -> None:
    model, lane = served()
    exchanged(lane)
    before = len(list(OPEN.iterdir()))
    for _ in range(4):
        assert model.pid is not None
        os.kill(model.pid, signal.SIGKILL)
        exchanged(lane)
        exchanged(lane)
    assert len(list(OPEN.iterdir())) <= before + 2


def test_no_time_at_all_is_not_without_end() -> None:
    assert timeval(None) == bytes(len(timeval(None)))
    assert timeval(0.0) != timeval(None)
    assert timeval(1.5)[: len(timeval(None)) // 2] == (1).to_bytes(len(timeval(None)) // 2, "little")
