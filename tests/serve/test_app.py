"""The application without a socket: every route, every refusal."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.doubles.session import DoubleSession

from edgeproof.errors import ServingError
from edgeproof.serve.app import EdgeServer

INFER = "/v2/models/double/infer"
REQUEST = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 0, 0, 0]}]}


def call(
    app: EdgeServer, method: str, path: str, body: bytes = b"", *, chunks: list[bytes] | None = None, **headers: str
) -> tuple[int, Any, dict[str, str]]:
    """One request through ASGI: status, body and headers."""
    sent: list[Any] = []
    parts = chunks or [body]
    incoming = [
        {"type": "http.request", "body": part, "more_body": index < len(parts) - 1} for index, part in enumerate(parts)
    ]

    async def receive() -> Any:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(app(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    text = sent[1]["body"]
    return sent[0]["status"], json.loads(text) if found["content-type"] == "application/json" else text.decode(), found


@pytest.fixture
def app() -> EdgeServer:
    return EdgeServer(DoubleSession(), "double", platform="double-fp32", threads=1, refused={"slow": 3})


def test_the_server_tells_what_a_client_that_measures_needs(app: EdgeServer) -> None:
    status, told, _ = call(app, "GET", "/v2")
    assert status == 200
    assert told["name"] == "edgeproof"
    assert told["models"] == ["double"]
    assert told["threads"] == 1
    assert told["pid"] > 0


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/", "/v2/models/double/ready"])
def test_health(app: EdgeServer, path: str) -> None:
    assert call(app, "GET", path)[0] == 200


@pytest.mark.parametrize("path", ["/v2/models/double", "/v2/models/double/versions/1"])
def test_the_model_tells_its_tensors(app: EdgeServer, path: str) -> None:
    _, told, _ = call(app, "GET", path)
    assert told == {
        "name": "double",
        "versions": ["1"],
        "platform": "double-fp32",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4]}],
        "outputs": [{"name": "scores", "datatype": "FP32", "shape": [1, 3]}],
    }


@pytest.mark.parametrize("path", [INFER, "/v2/models/double/versions/1/infer"])
def test_an_inference(app: EdgeServer, path: str) -> None:
    status, answer, headers = call(app, "POST", path, json.dumps({**REQUEST, "id": "a"}).encode())
    assert status == 200
    assert answer["outputs"] == [{"name": "scores", "shape": [1, 3], "datatype": "FP32", "data": [0.0, 1.0, 2.0]}]
    assert answer["id"] == "a"
    assert answer["model_version"] == "1"
    assert answer["parameters"]["inference_us"] > 0
    assert int(headers["content-length"]) > 0


def test_a_body_in_pieces_is_put_together(app: EdgeServer) -> None:
    raw = json.dumps(REQUEST).encode()
    assert call(app, "POST", INFER, chunks=[raw[:10], raw[10:30], raw[30:]])[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/", 404, "starts at /v2"),
        ("GET", "/v2/models/other", 404, "unknown model 'other'; this server has 'double'"),
        ("POST", "/v2/models/other/infer", 404, "unknown model"),
        ("GET", "/v2/models/double/versions/2", 404, "unknown version '2'"),
        ("GET", "/v2/models/double/nope", 404, "/ready and /infer"),
        ("GET", INFER, 405, "use POST"),
        ("POST", "/v2", 405, "use GET"),
        ("DELETE", "/v2/models/double", 405, "use GET"),
        ("POST", "/metrics", 405, "use GET"),
        ("POST", INFER, 400, "not valid"),
    ],
)
def test_wrong_requests_get_their_status_and_an_error(
    app: EdgeServer, method: str, path: str, status: int, message: str
) -> None:
    found, answer, headers = call(app, method, path)
    assert found == status
    assert message in answer["error"]
    assert (status == 405) == ("allow" in headers)


def test_an_error_repeats_only_the_beginning_of_what_was_sent(app: EdgeServer) -> None:
    wrong = {"inputs": [{"name": "y" * 50_000, "shape": [1, 4], "datatype": "FP32", "data": [1, 0, 0, 0]}]}
    status, answer, _ = call(app, "POST", INFER, json.dumps(wrong).encode())
    assert status == 400
    assert answer["error"].startswith("unknown input 'yyy")
    assert len(answer["error"]) < 3000


def test_a_client_that_is_cut_off_while_it_sends_is_not_answered(app: EdgeServer) -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    asyncio.run(app({"type": "http", "method": "POST", "path": INFER, "headers": []}, receive, send))


def test_a_session_that_fails_is_a_500_with_its_reason_and_the_next_call_works() -> None:
    session = DoubleSession(failure="the runtime fell over")
    app = EdgeServer(session, "double")
    status, answer, _ = call(app, "POST", INFER, json.dumps(REQUEST).encode())
    assert (status, answer) == (500, {"error": "the runtime fell over"})
    session._failure = None
    assert call(app, "POST", INFER, json.dumps(REQUEST).encode())[0] == 200


def test_an_output_that_is_nan_is_null_and_counted() -> None:
    app = EdgeServer(DoubleSession(answer=[float("nan"), 1.0, float("-inf")]), "double")
    _, answer, _ = call(app, "POST", INFER, json.dumps(REQUEST).encode())
    assert answer["outputs"][0]["data"] == [None, 1.0, None]
    assert answer["outputs"][0]["parameters"]["non_finite"] == 2


def test_metrics_count_requests_errors_and_time(app: EdgeServer) -> None:
    call(app, "POST", INFER, json.dumps(REQUEST).encode())
    call(app, "POST", INFER, b"garbage")
    status, text, headers = call(app, "GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    assert 'edgeproof_requests_total{model="double"} 2' in text
    assert 'edgeproof_errors_total{model="double"} 1' in text
    assert 'edgeproof_refused_total{reason="slow"} 3' in text
    seconds = next(line for line in text.splitlines() if line.startswith("edgeproof_inference_seconds_total"))
    assert float(seconds.split()[-1]) > 0


def test_other_connections_are_refused(app: EdgeServer) -> None:
    with pytest.raises(ServingError, match="websocket"):
        asyncio.run(app({"type": "websocket"}, None, None))  # type: ignore[arg-type]


def test_a_runtime_that_has_fallen_back_is_told_in_every_answer() -> None:
    reason = "it runs on slow\nkernels: é"
    app = EdgeServer(DoubleSession(), "double", degraded=reason)
    answers = [
        call(app, "GET", "/v2"),
        call(app, "GET", "/v2/health/live"),
        call(app, "GET", "/v2/models/double"),
        call(app, "GET", "/v2/models/double/ready"),
        call(app, "POST", INFER, json.dumps(REQUEST).encode()),
    ]
    for status, told, headers in answers:
        assert status == 200
        assert told.get("degraded", told.get("parameters", {}).get("degraded")) == reason
        assert headers["edgeproof-degraded"] == "it runs on slow kernels: ?"
    for path in ("/nowhere", "/metrics"):
        assert "edgeproof-degraded" in call(app, "GET", path)[2]
    assert 'edgeproof_degraded{model="double"} 1' in call(app, "GET", "/metrics")[1]


def test_a_runtime_that_has_not_is_told_as_before(app: EdgeServer) -> None:
    _, told, headers = call(app, "POST", INFER, json.dumps(REQUEST).encode())
    assert set(told["parameters"]) == {"inference_us"}
    assert "edgeproof-degraded" not in headers
    assert call(app, "GET", "/v2")[1]["degraded"] is None
    assert call(app, "GET", "/v2/health/live")[1] == {}
