"""A model without a server: a request's bytes in, an answer's bytes out."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from tests.doubles.session import DoubleSession, opening_of

from edgeproof.serve.holding import Holding
from edgeproof.serve.lane import Message
from edgeproof.serve.opening import opened_session

REQUEST = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 0, 0, 0]}]}
ABOUT: dict[str, Any] = {"platform": "double", "runtime": "a double", "runtime_version": "1"}


def holding(session: DoubleSession) -> Holding:
    opening = opening_of()
    return Holding(opened_session(session, opening, 0, **ABOUT), opening)


def ask(held: Holding, request: object) -> tuple[int, Any]:
    answer = held.answer(Message(0, json.dumps(request).encode()))
    return answer.status, json.loads(bytes(answer.body))


def test_a_session_that_fails_is_a_500_with_its_reason_and_the_next_call_works() -> None:
    session = DoubleSession(failure="the runtime fell over")
    held = holding(session)
    assert ask(held, REQUEST) == (500, {"error": "the runtime fell over"})
    session._failure = None
    assert ask(held, REQUEST)[0] == 200


def test_a_session_that_raises_what_it_should_not_is_a_500_too() -> None:
    session = DoubleSession()
    held = holding(session)
    session.run = lambda _inputs: 1 / 0  # type: ignore[method-assign]
    assert ask(held, REQUEST) == (500, {"error": "ZeroDivisionError: division by zero"})


def test_an_output_that_is_nan_is_null_and_counted() -> None:
    held = holding(DoubleSession(answer=[float("nan"), 1.0, float("-inf")]))
    _, answer = ask(held, REQUEST)
    assert answer["outputs"][0]["data"] == [None, 1.0, None]
    assert answer["outputs"][0]["parameters"]["non_finite"] == 2


def test_a_batch_gives_what_its_calls_give() -> None:
    held = holding(DoubleSession())
    rows = [[float(row == column) for column in range(4)] for row in range(4)]
    batch = {"inputs": [{"name": "x", "shape": [4, 4], "datatype": "FP32", "data": rows}]}
    _, together = ask(held, batch)
    tensor = REQUEST["inputs"][0]
    alone = [ask(held, {"inputs": [{**tensor, "data": row}]})[1]["outputs"][0]["data"] for row in rows]
    assert together["outputs"][0]["shape"] == [4, 3]
    assert together["outputs"][0]["data"] == [value for values in alone for value in values]


def test_binary_in_and_out() -> None:
    held = holding(DoubleSession())
    tensor = {"name": "x", "shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": 16}}
    text = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    answer = held.answer(Message(0, text + struct.pack("<4f", 0, 1, 0, 0), len(text)))
    assert answer.status == 200
    assert answer.spent_ns > 0
    assert answer.json_bytes is not None
    assert struct.unpack("<3f", answer.body[answer.json_bytes :]) == (3.0, 4.0, 5.0)


@pytest.mark.parametrize("inputs", [None, "x", 7])
def test_what_is_no_request_is_a_400(inputs: object) -> None:
    status, answer = ask(holding(DoubleSession()), {"inputs": inputs})
    assert status == 400
    assert "not valid" in answer["error"]


def binary(data: bytes, **more: object) -> Message:
    tensor = {"name": "x", "shape": [len(data) // 16, 4], "datatype": "FP32"}
    told = {"inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}], **more}
    text = json.dumps(told).encode()
    return Message(0, memoryview(text + data), len(text))


@pytest.mark.parametrize(
    "more",
    [
        {"parameters": {"binary_data_output": True}},
        {"parameters": {"binary_data_output": True}, "id": "again"},
        {"outputs": [{"name": "scores"}]},
        {},
    ],
)
def test_what_is_asked_again_with_other_tensors_is_answered_as_the_first_time(more: dict[str, object]) -> None:
    held = holding(DoubleSession())
    for rows in (1, 2, 1):
        for values in ([1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0.5, 2.0]):
            data = struct.pack("<4f", *values) * rows
            again, fresh = (of.answer(binary(data, **more)) for of in (held, holding(DoubleSession())))
            texts = [json.loads(bytes(answer.body[: answer.json_bytes])) for answer in (again, fresh)]
            for text in texts:
                assert text["parameters"].pop("inference_us") < 1e6
            assert texts[0] == texts[1]
            if again.json_bytes is not None:
                assert again.body[again.json_bytes :] == fresh.body[fresh.json_bytes :]


def test_a_known_request_with_too_few_bytes_is_refused() -> None:
    held = holding(DoubleSession())
    good = binary(bytes(16))
    assert held.answer(good).status == 200
    assert held.answer(good._replace(body=good.body[:-1])).status == 400
    assert held.answer(good._replace(body=bytes(good.body) + b"0")).status == 400
    assert held.answer(good).status == 200
