"""The processes behind a server: slow, hanging, killed; who hears of it, and who does not."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.session import served
from tests.serve.test_front import INFER, REQUEST, call

from edgeproof.serve.spawned import SpawnedServer

BODY = json.dumps(REQUEST).encode()


def infer(server: SpawnedServer, name: str = "double") -> tuple[int, Any, dict[str, str]]:
    return call(server, "POST", f"/v2/models/{name}/infer", BODY)


def worker(server: SpawnedServer) -> int:
    """The process that runs the first model."""
    found: int = call(server, "GET", "/v2")[1]["processes"][1]
    return found


@pytest.fixture
def asking() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool


def test_a_slow_model_blocks_neither_health_nor_another_model(asking: ThreadPoolExecutor) -> None:
    with served({"double": {"delay_s": 1.0}, "quick": {}}) as server:
        slow = asking.submit(infer, server)
        time.sleep(0.2)
        began = time.monotonic()
        assert call(server, "GET", "/v2/health/ready")[0] == 200
        assert infer(server, "quick")[0] == 200
        assert time.monotonic() - began < 0.5
        assert slow.result()[0] == 200


def test_a_worker_that_is_killed_amid_a_request_costs_that_one(asking: ThreadPoolExecutor) -> None:
    with served({"double": {"delay_s": 0.5}, "quick": {}}) as server:
        cut = asking.submit(infer, server)
        time.sleep(0.2)
        waits = asking.submit(infer, server)
        time.sleep(0.1)
        os.kill(worker(server), signal.SIGKILL)
        assert infer(server, "quick")[0] == 200
        status, answer, _ = cut.result()
        assert status == 500
        assert answer["error"].startswith("the process that runs double was killed by SIGKILL (signal 9)")
        assert answer["error"].endswith("amid this request; it is started anew")
        assert waits.result()[0] == 200
        assert infer(server)[0] == 200
        text = call(server, "GET", "/metrics")[1]
        assert 'edgeproof_worker_restarts_total{model="double"} 1' in text
        assert 'edgeproof_worker_restarts_total{model="quick"} 0' in text


def test_one_that_is_killed_while_nobody_asks_is_started_anew() -> None:
    with served({"double": {}}) as server:
        first = worker(server)
        os.kill(first, signal.SIGKILL)
        end = time.monotonic() + 10
        while call(server, "GET", "/v2/models/double/ready")[0] != 200 or worker(server) == first:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert infer(server)[0] == 200


def test_a_call_that_takes_too_long_is_stopped_and_said() -> None:
    with served({"double": {"delay_s": 1.2}}, call_seconds=1.8) as server:  # the first call on zeros takes 1.2 s
        assert infer(server)[0] == 200
    with served({"double": {"stall_s": 30.0}}, call_seconds=0.5) as server:
        began = time.monotonic()
        status, answer, _ = infer(server)
        assert status == 500
        assert "did not answer within 0.5 s and was stopped amid this request" in answer["error"]
        assert time.monotonic() - began < 5


def test_overload_is_said_at_once_and_when_to_come_again(asking: ThreadPoolExecutor) -> None:
    with served({"double": {"delay_s": 0.3}}, queue=2) as server:
        assert infer(server)[0] == 200
        several = [asking.submit(infer, server) for _ in range(8)]
        began = time.monotonic()
        time.sleep(0.15)
        refused = [call for call in several if call.done()]
        assert len(refused) == 5, "one runs, two wait"
        for done in refused:
            status, answer, headers = done.result()
            assert status == 503
            assert "2 requests wait for double already" in answer["error"]
            assert int(headers["retry-after"]) >= 1
        assert sorted(call.result()[0] for call in several) == [200] * 3 + [503] * 5
        assert time.monotonic() - began < 3
        assert 'edgeproof_overload_total{model="double"} 5' in call(server, "GET", "/metrics")[1]


def test_a_model_that_cannot_be_opened_again_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    with served({"double": {"dies": str(tmp_path / "tally")}, "quick": {}}) as server:
        first = worker(server)
        os.kill(first, signal.SIGKILL)
        end = time.monotonic() + 20
        while "is not served any more" not in (answer := infer(server)[1]).get("error", ""):
            assert time.monotonic() < end
            time.sleep(0.1)
        assert "after 5 starts that failed" in answer["error"]
        assert call(server, "GET", "/v2/health/ready")[0] == 503
        assert call(server, "GET", "/v2/models/double/ready")[0] == 503
        assert call(server, "GET", "/v2/health/live")[0] == 200
        assert infer(server, "quick")[0] == 200


def test_sigterm_under_load_loses_no_request_that_was_taken() -> None:
    """Each client asks until it is told that the connection closes, or finds no server any more."""
    with served({"double": {"delay_s": 0.002}}, queue=64) as server:
        child = server._child
        assert child is not None
        lost: list[str] = []
        answered = [0]

        def ask() -> None:
            import http.client

            connection = http.client.HTTPConnection(server.ready.url.removeprefix("http://"), timeout=20)
            connection.connect()
            while True:
                try:
                    connection.request("POST", INFER, BODY)
                    answer = connection.getresponse()
                    answer.read()
                except OSError as error:
                    lost.append(repr(error))
                    return
                if answer.status != 200:
                    lost.append(str(answer.status))
                answered[0] += 1
                if answer.getheader("connection") == "close":
                    return

        clients = [threading.Thread(target=ask) for _ in range(16)]
        for client in clients:
            client.start()
        time.sleep(0.5)
        os.kill(child.pid, signal.SIGTERM)
        for client in clients:
            client.join(20)
        assert lost == []
        assert answered[0] > 50
        assert child.wait().code == 0


def test_a_thousand_idle_connections_do_not_stop_a_good_client() -> None:
    import socket

    with served({"double": {}}) as server:
        host, port = server.ready.url.removeprefix("http://").split(":")
        idle: list[socket.socket] = []
        try:
            for _ in range(1000):
                idle.append(socket.create_connection((host, int(port)), 20))
            for _ in range(20):
                began = time.monotonic()
                assert infer(server)[0] == 200
                assert time.monotonic() - began < 1
        finally:
            for one in idle:
                one.close()


def test_a_line_of_json_is_logged_for_what_happens(tmp_path: Path) -> None:
    log = tmp_path / "server.jsonl"
    with served({"double": {}}, log_file=str(log), log_requests=True) as server:
        infer(server)
        call(server, "POST", INFER, b"garbage")
        os.kill(worker(server), signal.SIGKILL)
        time.sleep(0.5)
        infer(server)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(line["time"].endswith("Z") for line in lines)
    events = [line["event"] for line in lines]
    assert events == ["ready", "request", "request", "worker died", "worker ready", "request", "ending", "ended"]
    assert [line["status"] for line in lines if line["event"] == "request"] == [200, 400, 200]
    assert "SIGKILL" in lines[3]["how"]
