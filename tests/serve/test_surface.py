"""The whole HTTP surface under requests that nobody would write by hand: each is answered, and never by a fault."""

from __future__ import annotations

import http.client
import json
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httptools
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.front import seeds as streams
from tests.fuzz.json_mutation import changed
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TOKENS

from edgeproof.serve.spawned import SpawnedServer

PATIENCE_S = 10.0
FLAT_BYTES = 8 << 20
MODELS: dict[str, dict[str, Any]] = {
    "sums": {"inputs": [{"name": name, "shape": [1, 4], "datatype": "FP32", "data": [0.5] * 4} for name in "ab"]},
    "cell": {
        "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}],
        "parameters": {"sequence_id": "a", "sequence_start": True},
        "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
        "id": "7",
    },
}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND")
PATHS = (
    *("/", "/v2", "/v2/", "//v2//", "/v2/health/live", "/v2/health/ready", "/metrics", "/v2/models", "/v2/models/"),
    *("/v2/models/sums", "/v2/models/sums/ready", "/v2/models/sums/infer", "/v2/models/sums/versions/1/infer"),
    *(
        "/v2/models/cell/infer",
        "/v2/models/cell/versions/2",
        "/v2/models/%73ums/infer?x=%00",
        "/v2/%",
        "/v2/models/%ff",
    ),
)
HEADERS = (
    *("Host: x", "Accept: */*", "X-A: \xe9", "Content-Type: text/plain", "Content-Encoding: gzip", "Cookie: a=b"),
    *("Authorization: Bearer", "Inference-Header-Content-Length: 5", "Inference-Header-Content-Length: -1", "A:"),
    *("Inference-Header-Content-Length: 99999999999", "Accept-Encoding: gzip", "TE: trailers", "Range: bytes=0-1"),
)
EXAMPLES = [300, pytest.param(20_000, marks=pytest.mark.long)]


class Client:
    """A connection that is kept, and made anew where the server has closed it."""

    def __init__(self, server: SpawnedServer) -> None:
        self._connection = http.client.HTTPConnection(server.ready.url.removeprefix("http://"), timeout=PATIENCE_S)

    def ask(self, head: bytes, body: bytes) -> tuple[int, bytes]:
        """Status and body of one request: its first line and headers, without its length."""
        if self._connection.sock is None:
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(BrokenPipeError, ConnectionResetError):  # it may be refused before it is whole
            self._connection.sock.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        answer = http.client.HTTPResponse(self._connection.sock, method=head.partition(b" ")[0].decode())
        answer.begin()
        found = answer.status, answer.read()
        if answer.will_close:
            self._connection.close()
        return found

    def close(self) -> None:
        self._connection.close()


@contextmanager
def unharmed(server: SpawnedServer) -> Iterator[Client]:
    """A client; after it the server is the one that it was: the same processes, no larger, and right."""
    client = Client(server)
    good = b"POST /v2/models/sums/infer HTTP/1.1\r\n", json.dumps(MODELS["sums"]).encode()
    pids = [server.ready.pid, *server.ready.processes]
    for _ in range(200):
        assert client.ask(*good)[0] == 200
    before = [psutil.Process(pid).memory_info().rss for pid in pids]
    try:
        yield client
        status, answer = client.ask(*good)
        assert (status, json.loads(answer)["outputs"][0]["data"]) == (200, [1.0] * 4)
        told = json.loads(client.ask(b"GET /v2 HTTP/1.1\r\n", b"")[1])
        assert told["processes"] == pids
        metrics = client.ask(b"GET /metrics HTTP/1.1\r\n", b"")[1].decode()
        assert 'edgeproof_worker_restarts_total{model="sums"} 0' in metrics
        assert 'edgeproof_queue_length{model="sums"} 0' in metrics
        after = [psutil.Process(pid).memory_info().rss for pid in pids]
        assert all(now - then < FLAT_BYTES for then, now in zip(before, after, strict=True)), (before, after)
    finally:
        client.close()


def many(count: int) -> Callable[[Any], Any]:
    return settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes, int | None]:
    """A model's name and a request of it with some changes; its tensors in binary at times, of any length, with bytes
    of JSON that are told."""
    name = draw(st.sampled_from(sorted(MODELS)))
    request, chance = MODELS[name], random.Random(draw(st.integers(0, 2**32)))
    rest, length = b"", None
    if draw(st.booleans()):
        sizes = draw(st.lists(st.sampled_from((0, 1, 8, 15, 16, 17, 64)), min_size=2, max_size=2))
        tensors = [
            {**{key: value for key, value in tensor.items() if key != "data"}, "parameters": {"binary_data_size": size}}
            for tensor, size in zip(request["inputs"], sizes, strict=False)
        ]
        request, rest = {**request, "inputs": tensors}, draw(st.binary(max_size=80))
        length = 0
    for _ in range(draw(st.sampled_from((0, 1, 1, 2, 4)))):
        request = changed(request, chance)
    text = json.dumps(request).encode()
    if length is not None:
        length = len(text) + draw(st.sampled_from((0, 0, 0, -1, 1, 1000)))
    return name, text + rest, length


@pytest.mark.parametrize("count", EXAMPLES)
def test_every_request_for_an_inference_is_answered_or_refused_in_words(three: SpawnedServer, count: int) -> None:
    seen: set[int] = set()
    with unharmed(three) as client:

        @many(count)
        @given(bodies())
        def check(asked: tuple[str, bytes, int | None]) -> None:
            name, body, length = asked
            told = b"" if length is None else b"Inference-Header-Content-Length: %d\r\n" % length
            status, answer = client.ask(f"POST /v2/models/{name}/infer HTTP/1.1\r\n".encode() + told, body)
            seen.add(status)
            if status != 200:
                assert status in {400, 413}
                assert json.loads(answer)["error"]

        check()
    assert {200, 400} <= seen


@pytest.mark.parametrize("count", EXAMPLES)
def test_any_method_path_header_and_body_is_answered(three: SpawnedServer, count: int) -> None:
    letters = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0", exclude_categories=["Cc"]))
    paths = st.sampled_from(PATHS) | st.text("/v2models%.?#&=+~é 0", max_size=60).map(lambda text: "/" + text)
    headers = st.sampled_from(HEADERS) | letters.map(lambda text: f"X-Any: {text}")

    with unharmed(three) as client:

        @many(count)
        @given(st.sampled_from(METHODS), paths, st.lists(headers, max_size=8), st.binary(max_size=300))
        def check(method: str, path: str, headers: list[str], body: bytes) -> None:
            head = "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", *headers))
            status, answer = client.ask(head.encode("latin-1"), body)
            assert status < 500, answer
            if status >= 400 and method != "HEAD":
                assert json.loads(answer)["error"]

        check()


@pytest.mark.parametrize("count", [1000, pytest.param(50_000, marks=pytest.mark.long)])
def test_a_stream_of_anything_ends_and_harms_nobody(three: SpawnedServer, count: int) -> None:
    """What is no HTTP at all, cut off or sent ahead of answers; the client says that nothing more comes."""
    known = [raw[4:].replace(b"/models/m/", b"/models/sums/") for raw in streams()]
    host, port = three.ready.url.removeprefix("http://").split(":")

    class Statuses:
        def __init__(self) -> None:
            self.found: list[int] = []
            self.parser = httptools.HttpResponseParser(self)

        def on_headers_complete(self) -> None:
            self.found.append(self.parser.get_status_code())

    seen: set[int] = set()
    with unharmed(three):
        for number in range(count):
            stream, statuses = mutated(known, TOKENS, number), Statuses()
            with socket.create_connection((host, int(port)), PATIENCE_S) as raw, suppress(ConnectionError):
                raw.sendall(stream)
                raw.shutdown(socket.SHUT_WR)
                while data := raw.recv(1 << 16):
                    if b"HEAD" not in stream:
                        statuses.parser.feed_data(data)
            seen.update(statuses.found)
    assert {200, 400} <= seen
    assert max(seen) < 500
