"""The routes of a server that runs: every answer, every refusal, as the standard library's client sees them."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.doubles.session import served

from edgeproof.serve.spawned import SpawnedServer

INFER = "/v2/models/double/infer"
REQUEST = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 0, 0, 0]}]}


def call(server: SpawnedServer, method: str, path: str, body: bytes = b"") -> tuple[int, Any, dict[str, str]]:
    """One request: status, body and headers."""
    host = server.ready.url.removeprefix("http://")
    with contextlib.closing(http.client.HTTPConnection(host, timeout=20)) as connection:
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, json.loads(text) if found["content-type"] == "application/json" else text.decode(), found


@pytest.fixture(scope="module")
def server() -> Iterator[SpawnedServer]:
    with served({"double": {}, "a b/ü": {}}) as found:
        yield found


def test_the_server_tells_what_a_client_that_measures_needs(server: SpawnedServer) -> None:
    status, told, _ = call(server, "GET", "/v2")
    assert status == 200
    assert told["name"] == "edgeproof"
    assert told["models"] == ["double", "a b/ü"]
    assert told["extensions"] == ["binary_tensor_data", "sequence"]
    assert told["threads"] == 1
    assert told["processes"] == [told["pid"], *server.ready.processes]


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/", "/v2/models/double/ready"])
def test_health(server: SpawnedServer, path: str) -> None:
    assert call(server, "GET", path)[0] == 200


@pytest.mark.parametrize("path", ["/v2/models/double", "/v2/models/double/versions/1", "/v2/models/%64ouble?x=1"])
def test_the_model_tells_its_tensors(server: SpawnedServer, path: str) -> None:
    _, told, _ = call(server, "GET", path)
    assert told == {
        "name": "double",
        "versions": ["1"],
        "platform": "double-fp32",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 3]}],
        "artifact_sha256": "5" * 64,
        "runtime": "a double",
        "runtime_version": "1",
    }


@pytest.mark.parametrize(
    "path",
    [INFER, "/v2/models/double/versions/1/infer", "/v2/models/a%20b%2F%C3%BC/infer", "/v2/models/double/infer?trace=1"],
)
def test_an_inference_says_what_computed_it(server: SpawnedServer, path: str) -> None:
    status, answer, headers = call(server, "POST", path, json.dumps({**REQUEST, "id": "a"}).encode())
    assert status == 200
    assert answer["outputs"] == [{"name": "scores", "shape": [1, 3], "datatype": "FP32", "data": [0.0, 1.0, 2.0]}]
    assert answer["id"] == "a"
    assert answer["model_version"] == "1"
    told = answer["parameters"]
    assert told.pop("inference_us") > 0
    assert told == {"artifact_sha256": "5" * 64, "runtime": "a double", "runtime_version": "1"}
    assert "edgeproof-degraded" not in headers


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/", 404, "starts at /v2"),
        ("GET", "/v2/models/other", 404, "unknown model 'other'; this server has 'double', 'a b/ü'"),
        ("POST", "/v2/models/other/infer", 404, "unknown model"),
        ("GET", "/v2/models/double/versions/2", 404, "unknown version '2'"),
        ("POST", "/v2/models/double/versions/2/infer", 404, "unknown version '2'"),
        ("GET", "/v2/models/double/nope", 404, "/ready and /infer"),
        ("GET", INFER, 405, "use POST"),
        ("POST", "/v2", 405, "use GET"),
        ("DELETE", "/v2/models/double", 405, "use GET"),
        ("POST", "/metrics", 405, "use GET"),
        ("POST", INFER, 400, "not valid"),
    ],
)
def test_wrong_requests_get_their_status_and_an_error(
    server: SpawnedServer, method: str, path: str, status: int, message: str
) -> None:
    found, answer, headers = call(server, method, path)
    assert found == status
    assert message in answer["error"]
    assert (status == 405) == ("allow" in headers)


def test_a_body_that_is_compressed_is_refused_in_words(server: SpawnedServer) -> None:
    for coding, expected in (("gzip", 415), ("identity", 200)):
        with contextlib.closing(http.client.HTTPConnection(server.ready.url.removeprefix("http://"))) as connection:
            connection.request("POST", INFER, json.dumps(REQUEST), {"Content-Encoding": coding})
            answer = connection.getresponse()
            told = json.loads(answer.read())
        assert answer.status == expected
        if expected == 415:
            assert (
                told["error"] == "the request's body is compressed with gzip, which is not taken here; send it as it is"
            )
            assert answer.getheader("accept-encoding") == "identity"


def test_an_answer_to_head_has_no_body_and_the_connection_goes_on(server: SpawnedServer) -> None:
    with contextlib.closing(http.client.HTTPConnection(server.ready.url.removeprefix("http://"), timeout=5)) as client:
        for _ in range(2):
            client.request("HEAD", "/v2")
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (405, b"")
            assert int(answer.headers["content-length"]) > 0
        client.request("GET", "/v2")
        assert client.getresponse().status == 200


@pytest.mark.parametrize("length", ["5000", "4294967295", "4294967296", "999999999999", "9" * 30, "-1", "x"])
def test_a_length_of_json_that_cannot_be_is_refused_and_the_model_goes_on(server: SpawnedServer, length: str) -> None:
    text = json.dumps(REQUEST)
    with contextlib.closing(http.client.HTTPConnection(server.ready.url.removeprefix("http://"))) as connection:
        connection.request("POST", INFER, text, {"Inference-Header-Content-Length": length})
        answer = connection.getresponse()
        assert answer.status == 400
        assert "Inference-Header-Content-Length" in json.loads(answer.read())["error"]
        connection.request("POST", INFER, text)
        assert connection.getresponse().status == 200


def test_an_error_repeats_only_the_beginning_of_what_was_sent(server: SpawnedServer) -> None:
    wrong = {"inputs": [{"name": "y" * 50_000, "shape": [1, 4], "datatype": "FP32", "data": [1, 0, 0, 0]}]}
    status, answer, _ = call(server, "POST", INFER, json.dumps(wrong).encode())
    assert status == 400
    assert answer["error"].startswith("unknown input 'yyy")
    assert len(answer["error"]) < 3000


def test_metrics_count_requests_errors_and_time() -> None:
    with served({"double": {}}) as server:
        call(server, "POST", INFER, json.dumps(REQUEST).encode())
        call(server, "POST", INFER, b"garbage")
        status, text, headers = call(server, "GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert found['edgeproof_requests_total{model="double"}'] == "2"
    assert found['edgeproof_errors_total{model="double"}'] == "1"
    assert found['edgeproof_request_seconds_count{model="double"}'] == "2"
    assert found['edgeproof_request_seconds_bucket{model="double",le="+Inf"}'] == "2"
    assert found['edgeproof_inference_seconds_count{model="double"}'] == "1"
    assert float(found['edgeproof_inference_seconds_sum{model="double"}']) > 0
    assert int(found['edgeproof_resident_bytes{model="double"}']) > 1 << 20
    assert int(found['edgeproof_resident_bytes{process="front"}']) > 1 << 20


def test_a_runtime_that_has_fallen_back_is_told_in_every_answer() -> None:
    reason = "it runs on slow\nkernels: é"
    with served({"double": {"degraded": reason}}) as server:
        answers = [
            call(server, "GET", "/v2"),
            call(server, "GET", "/v2/health/live"),
            call(server, "GET", "/v2/models/double"),
            call(server, "GET", "/v2/models/double/ready"),
            call(server, "POST", INFER, json.dumps(REQUEST).encode()),
        ]
        for status, told, headers in answers:
            assert status == 200
            assert told.get("degraded", told.get("parameters", {}).get("degraded")) == reason
            assert headers["edgeproof-degraded"] == "it runs on slow kernels: ?"
        for path in ("/nowhere", "/metrics"):
            assert "edgeproof-degraded" in call(server, "GET", path)[2]
        assert 'edgeproof_degraded{model="double"} 1' in call(server, "GET", "/metrics")[1]
    assert server.ready.degraded == reason
