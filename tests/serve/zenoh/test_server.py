"""A server over zenoh, asked by zenoh's own Python client: queries, streams, what goes wrong, and the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.doubles.session import served
from tests.serve.test_front import call
from tests.serve.zenoh.calling import BODY, LISTEN, REQUEST, ask, asking, binary, told

import edgeproof
from edgeproof.serve.spawned import SpawnedServer

pytest.importorskip("zenoh", reason="eclipse-zenoh is not installed")

EXAMPLE = Path(__file__).parents[3] / "examples" / "digits_snn.py"
TIMESTEPS = 25


@pytest.fixture(scope="module")
def server() -> Iterator[SpawnedServer]:
    with served(
        {"double": {}, "other one": {"answer": [7.0, 8.0, 9.0]}, "big": {"features": 100_000}}, zenoh=LISTEN
    ) as found:
        yield found


@pytest.fixture
def session(server: SpawnedServer) -> Iterator[Any]:
    with asking(server) as found:
        yield found


def collected(session: Any, key: str) -> tuple[list[tuple[str, Any]], threading.Event]:
    """What is put under a key from now on, as key and payload; the event is set at each."""
    found: list[tuple[str, Any]] = []
    more = threading.Event()

    def take(sample: Any) -> None:
        found.append((str(sample.key_expr), sample.payload.to_bytes()))
        more.set()

    session.declare_subscriber(key, take)
    time.sleep(0.2)  # for the server to hear of it
    return found, more


def wait_for(found: list[Any], count: int, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < end, found
        time.sleep(0.01)


def test_metadata_is_that_over_http(server: SpawnedServer, session: Any) -> None:
    (own,) = told(session.get("edgeproof"))
    assert own.json == call(server, "GET", "/v2")[1]
    (model,) = told(session.get("edgeproof/double"))
    assert model.json == call(server, "GET", "/v2/models/double")[1]
    every = told(session.get("edgeproof/*"))
    assert {found.json["name"] for found in every} == {"double", "other one", "big"}


def test_json_and_binary_answers_are_those_over_http(session: Any) -> None:
    found = ask(session)
    assert found.ok
    assert found.attachment is None
    assert found.json["outputs"][0]["data"] == [3.0, 4.0, 5.0]
    assert found.json["parameters"]["artifact_sha256"] == "5" * 64
    body, length = binary([0, 0, 1, 0])
    raw = ask(session, body, json_bytes=length)
    assert raw.ok
    assert raw.attachment is not None
    head, data = raw.body[: int(raw.attachment)], raw.body[int(raw.attachment) :]
    assert np.frombuffer(data, "<f4").tolist() == [6.0, 7.0, 8.0]
    assert json.loads(head)["parameters"]["runtime"] == "a double"


def test_bodies_longer_than_a_message_of_zenoh(session: Any) -> None:
    values = np.zeros(100_000, np.float32)
    values[99_999] = 1.0
    body, length = binary(values)
    found = ask(session, body, "big", json_bytes=length)
    assert found.attachment is not None
    assert np.frombuffer(found.body[int(found.attachment) :], "<f4").tolist() == [299_997.0, 299_998.0, 299_999.0]


def test_a_name_that_no_key_can_have_is_escaped(session: Any) -> None:
    assert ask(session, name="other%20one").json["outputs"][0]["data"] == [7.0, 8.0, 9.0]


@pytest.mark.parametrize(
    ("body", "attachment", "status", "message"),
    [
        (b"garbage", None, 400, "malformed"),
        (None, None, 400, ""),
        (json.dumps({"inputs": []}).encode(), None, 400, "x"),
        (BODY, b"-1", 400, "the attachment is b'-1'; expected a number of bytes of JSON"),
        (BODY, b"999999", 400, ""),
    ],
)
def test_errors_are_the_protocols(
    session: Any, body: bytes | None, attachment: bytes | None, status: int, message: str
) -> None:
    (found,) = told(session.get("edgeproof/double/infer", payload=body, attachment=attachment, timeout=10))
    assert not found.ok
    assert found.json["status"] == status
    assert message in found.json["error"]
    assert ask(session).ok


def test_a_body_above_the_limit_is_refused_and_the_next_taken() -> None:
    with served({"double": {}}, body_limit_bytes=5000, zenoh=LISTEN) as server, asking(server) as session:
        found = ask(session, b"{" * 5001)
        assert found.json["status"] == 413
        assert "the body is 5001 bytes; at most 5000 are taken" in found.json["error"]
        assert ask(session).ok


def test_what_is_asked_counts_in_the_metrics_of_the_model() -> None:
    with served({"double": {}}, zenoh=LISTEN) as server, asking(server) as session:
        assert ask(session).ok
        assert not ask(session, b"garbage").ok
        text = call(server, "GET", "/metrics")[1]
    assert 'edgeproof_requests_total{model="double"} 2' in text
    assert 'edgeproof_errors_total{model="double"} 1' in text
    assert 'edgeproof_request_seconds_count{model="double"} 2' in text
    assert 'edgeproof_inference_seconds_count{model="double"} 1' in text


def test_a_stream_is_answered_in_order(session: Any) -> None:
    out, _ = collected(session, "edgeproof/double/out/*")
    for number in range(12):
        session.put("edgeproof/double/in/camera", json.dumps({**REQUEST, "id": str(number)}).encode())
    wait_for(out, 12)
    assert {key for key, _ in out} == {"edgeproof/double/out/camera"}
    assert [json.loads(body)["id"] for _, body in out] == [str(number) for number in range(12)]
    assert json.loads(out[0][1])["outputs"][0]["data"] == [3.0, 4.0, 5.0]


def test_an_error_of_a_stream_has_a_key_of_its_own(session: Any) -> None:
    err, _ = collected(session, "edgeproof/double/err/lidar")
    session.put("edgeproof/double/in/lidar", b"garbage")
    session.put("edgeproof/double/in/lidar", BODY, attachment=b"none")
    wait_for(err, 2)
    assert [json.loads(body)["status"] for _, body in err] == [400, 400]


def test_a_stream_faster_than_the_model_loses_the_oldest_and_says_how_many() -> None:
    with served({"double": {"stall_s": 0.1}}, zenoh=LISTEN) as server, asking(server) as session:
        out, _ = collected(session, "edgeproof/double/out/s")
        for number in range(60):
            session.put("edgeproof/double/in/s", json.dumps({**REQUEST, "id": str(number)}).encode())
        wait_for(out, 17)
        time.sleep(0.3)
        numbers = [int(json.loads(body)["id"]) for _, body in out]
        assert numbers == sorted(numbers)
        assert numbers[-16:] == list(range(44, 60)), "the newest 16 waited"
        text = call(server, "GET", "/metrics")[1]
        assert f'edgeproof_stream_dropped_total{{model="double"}} {60 - len(numbers)}' in text
        assert 'edgeproof_queue_length{model="double"} 0' in text


def test_a_slow_model_holds_up_neither_metadata_nor_another_model_nor_http() -> None:
    with (
        served({"double": {"stall_s": 1.0}, "quick": {}}, zenoh=LISTEN) as server,
        asking(server) as session,
        asking(server) as another,
    ):
        slow = session.get("edgeproof/double/infer", payload=BODY, timeout=10)
        time.sleep(0.1)
        began = time.monotonic()
        assert ask(session, name="quick").ok
        assert ask(another, name="quick").ok
        assert told(session.get("edgeproof/double"))[0].json["name"] == "double"
        assert call(server, "POST", "/v2/models/quick/infer", BODY)[0] == 200
        assert time.monotonic() - began < 0.6
        assert [found.ok for found in told(slow)] == [True]


def test_overload_is_said_at_once_and_when_to_come_again() -> None:
    with served({"double": {"stall_s": 0.4}}, queue=2, zenoh=LISTEN) as server, asking(server) as session:
        several = [session.get("edgeproof/double/infer", payload=BODY, timeout=10) for _ in range(6)]
        found = [told(replies)[0] for replies in several]
        assert [each.ok for each in found] == [True] * 3 + [False] * 3
        refused = found[-1].json
        assert refused["status"] == 503
        assert refused["retry_after"] >= 1
        assert "2 requests wait for double already" in refused["error"]
        assert 'edgeproof_overload_total{model="double"} 3' in call(server, "GET", "/metrics")[1]


def test_a_worker_that_is_killed_amid_a_query_costs_that_one() -> None:
    with served({"double": {"stall_s": 0.5}}, zenoh=LISTEN) as server, asking(server) as session:
        cut = session.get("edgeproof/double/infer", payload=BODY, timeout=20)
        time.sleep(0.2)
        waits = session.get("edgeproof/double/infer", payload=BODY, timeout=20)
        time.sleep(0.1)
        os.kill(server.ready.processes[0], signal.SIGKILL)
        (first,) = told(cut)
        assert first.json["status"] == 500
        assert first.json["error"].startswith("the process that runs double was killed by SIGKILL (signal 9)")
        assert first.json["error"].endswith("amid this request; it is started anew")
        assert [found.ok for found in told(waits)] == [True]
        assert ask(session).ok
        assert 'edgeproof_worker_restarts_total{model="double"} 1' in call(server, "GET", "/metrics")[1]


def test_one_that_is_killed_while_nobody_asks_is_started_anew() -> None:
    with served({"double": {}}, zenoh=LISTEN) as server, asking(server) as session:
        for _ in range(3):
            os.kill(call(server, "GET", "/v2")[1]["processes"][1], signal.SIGKILL)
            time.sleep(0.05)
            found = ask(session)
            assert found.ok or "SIGKILL" in found.json["error"]
            assert ask(session).ok
            assert call(server, "POST", "/v2/models/double/infer", BODY)[0] == 200


def test_a_call_that_takes_too_long_is_stopped_and_said() -> None:
    with served({"double": {"stall_s": 30.0}}, call_seconds=0.5, zenoh=LISTEN) as server, asking(server) as session:
        began = time.monotonic()
        found = ask(session)
        assert "did not answer within 0.5 s and was stopped amid this request" in found.json["error"]
        assert time.monotonic() - began < 5


def test_a_request_is_not_late_for_one_over_the_other_way() -> None:
    """Over HTTP and zenoh at once, each call within the limit and both together beyond it."""
    with served({"double": {"stall_s": 0.8}}, call_seconds=1.3, zenoh=LISTEN) as server, asking(server) as session:
        for _ in range(2):
            one = session.get("edgeproof/double/infer", payload=BODY, timeout=20)
            time.sleep(0.1)
            assert call(server, "POST", "/v2/models/double/infer", BODY)[0] == 200
            assert told(one)[0].ok


def test_a_model_that_cannot_be_opened_again_is_given_up(tmp_path: Path) -> None:
    with served({"double": {"dies": str(tmp_path / "tally")}}, zenoh=LISTEN) as server, asking(server) as session:
        os.kill(server.ready.processes[0], signal.SIGKILL)
        found = ask(session)
        if "SIGKILL" in found.json.get("error", ""):
            found = ask(session)
        assert found.json["status"] == 503
        assert "is not served any more, after 5 starts that failed" in found.json["error"]


def test_sigterm_loses_no_query_that_was_taken() -> None:
    """Clients ask until they find nobody; until then each query has one good answer."""
    with served({"double": {"delay_s": 0.002}}, queue=64, zenoh=LISTEN) as server:
        child = server._child
        assert child is not None
        wrong: list[Any] = []
        answered = [0]

        def client() -> None:
            with asking(server) as session:
                while True:
                    found = told(session.get("edgeproof/double/infer", payload=BODY, timeout=10))
                    if not found:
                        return
                    wrong.extend(each.body for each in found if not each.ok)
                    answered[0] += 1

        clients = [threading.Thread(target=client) for _ in range(4)]
        for each in clients:
            each.start()
        time.sleep(1.0)
        os.kill(child.pid, signal.SIGTERM)
        for each in clients:
            each.join(20)
        assert child.wait().code == 0
        assert wrong == []
        assert answered[0] > 50


def test_it_ends_in_time_with_a_model_that_hangs() -> None:
    with served({"double": {"stall_s": 60.0}}, zenoh=LISTEN) as server, asking(server) as session:
        child = server._child
        assert child is not None
        hangs = session.get("edgeproof/double/infer", payload=BODY, timeout=30)
        time.sleep(0.2)
        began = time.monotonic()
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait().code == 0
        assert time.monotonic() - began < 15
        (found,) = told(hangs)
        assert found.json == {"error": "the server ends", "status": 503}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of spiking neurons, compiled."""
    out = tmp_path_factory.mktemp("made")
    found = edgeproof.convert(f"{EXAMPLE}:model", out, to=["sdk-native"], precision=["fp32"])
    assert {result.status for result in found.candidates} == {"ok"}, found
    return out / "sdk-native"


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from edgeproof.cli import main; main()", "serve", *words, "--port", "0"]


def test_sequences_of_several_clients_are_kept_apart_and_are_what_whole_calls_give(made: Path) -> None:
    """Two over zenoh and one over HTTP, in turn, 25 steps each."""
    source = np.random.default_rng(0)
    inputs = [source.random((1, 64), dtype=np.float32) for _ in range(3)]
    words = command(str(made), "--name", "snn", "--zenoh", "tcp/127.0.0.1:0")
    with (
        SpawnedServer(made, command=words, timeout_s=60) as server,
        asking(server) as first,
        asking(server) as second,
    ):
        (tensor,) = told(first.get("edgeproof/snn"))[0].json["sequence"]["inputs"]
        spikes = np.zeros((3, 10), np.float32)
        for step in range(TIMESTEPS):
            for client, session in enumerate((first, second, None)):
                given = {**tensor, "data": inputs[client].ravel().tolist()}
                ends = {"sequence_start": step == 0, "sequence_end": step == TIMESTEPS - 1}
                asked = {"inputs": [given], "parameters": {"sequence_id": f"client-{client}", **ends}}
                body = json.dumps(asked).encode()
                if session is None:
                    answer = call(server, "POST", "/v2/models/snn/infer", body)[1]
                else:
                    answer = ask(session, body, "snn").json
                spikes[client] += {output["name"]: output["data"] for output in answer["outputs"]}["spikes"]
        for client, values in enumerate(inputs):
            given = {"name": "pixels", "shape": [1, 64], "datatype": "FP32", "data": values.ravel().tolist()}
            answer = ask(first, json.dumps({"inputs": [given]}).encode(), "snn").json
            assert answer["parameters"]["runtime"] == "edgeproof native engine"
            assert spikes[client].tolist() == answer["outputs"][0]["data"]
        assert spikes.any()


def test_an_endpoint_that_is_taken_is_said(made: Path, server: SpawnedServer) -> None:
    words = command(str(made), "--zenoh", server.ready.zenoh[0])
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"cannot be reached on {server.ready.zenoh[0]}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_length_of_json_beyond_the_body_is_an_error_of_that_query_alone(server: SpawnedServer) -> None:
    with asking(server) as session:
        for length in (len(BODY) + 1, 1 << 32, 10**12 - 1):
            refused = ask(session, json_bytes=length)
            assert not refused.ok
            assert refused.json["status"] == 400
        assert ask(session).ok
