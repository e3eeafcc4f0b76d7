"""A server under attack, over real sockets: what is too much is cut off, and others are answered meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from edgeproof.serve.spawned import SpawnedServer

DOUBLE = Path(__file__).parents[1] / "doubles" / "session.py"
INFER = "/v2/models/double/infer"
HEAD = f"POST {INFER} HTTP/1.1\r\nHost: x\r\n".encode()
BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 64], "datatype": "FP32", "data": [0.5] * 64}]}).encode()
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
FLAT_BYTES = 16 << 20
PATIENCE_S = 1.0


def served(*, delay_s: float = 0.0, **limits: object) -> SpawnedServer:
    command = [sys.executable, str(DOUBLE), "0", "64", str(delay_s), "", json.dumps(limits)]
    return SpawnedServer(Path("double"), command=command, timeout_s=30)


def connect(server: SpawnedServer) -> socket.socket:
    host, port = server.ready.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), 20)


def send_all(client: socket.socket, *parts: bytes) -> None:
    """As much as the server takes."""
    with contextlib.suppress(ConnectionError):
        for part in parts:
            client.sendall(part)


def rest_of(client: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := client.recv(1 << 16):
            found += data
    return found


def answered(client: socket.socket) -> int:
    """The status of one answer, once it is there whole."""
    answer = http.client.HTTPResponse(client)
    answer.begin()
    answer.read()
    return answer.status


def status_of(answer: bytes) -> int:
    return int(answer[9:12])


def infer(server: SpawnedServer) -> int:
    """The status that a client gets which behaves."""
    with contextlib.closing(http.client.HTTPConnection(server.ready.url.removeprefix("http://"), timeout=20)) as client:
        client.request("POST", INFER, BODY)
        answer = client.getresponse()
        answer.read()
        return answer.status


@contextlib.contextmanager
def others_are_answered(server: SpawnedServer) -> Iterator[None]:
    """While the block runs: within a second each, and the server's memory stays as it is."""
    process, done = psutil.Process(server.ready.pid), threading.Event()
    assert infer(server) == 200
    before, highest, slowest, statuses = process.memory_info().rss, [0], [0.0], set()

    def look() -> None:
        while not done.is_set():
            began = time.monotonic()
            statuses.add(infer(server))
            slowest[0] = max(slowest[0], time.monotonic() - began)
            highest[0] = max(highest[0], process.memory_info().rss)
            time.sleep(0.01)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
        time.sleep(0.1)
    finally:
        done.set()
        looking.join()
    assert statuses == {200}
    assert slowest[0] < 1
    assert highest[0] - before < FLAT_BYTES


@pytest.fixture(scope="module")
def server() -> Iterator[SpawnedServer]:
    with served(request_seconds=PATIENCE_S) as server:
        yield server


def refused(server: SpawnedServer) -> dict[str, int]:
    with contextlib.closing(http.client.HTTPConnection(server.ready.url.removeprefix("http://"), timeout=20)) as client:
        client.request("GET", "/metrics")
        text = client.getresponse().read().decode()
    return {reason: int(count) for reason, count in re.findall(r'refused_total\{reason="(\w+)"\} (\d+)', text)}


# Heads


def test_three_hundred_megabytes_of_headers_are_cut_off(server: SpawnedServer) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(1000))
    with others_are_answered(server), connect(server) as client:
        send_all(client, HEAD, *[lines] * 300)
        assert status_of(rest_of(client)) == 431


def test_one_header_value_of_32_megabytes_is_cut_off(server: SpawnedServer) -> None:
    with others_are_answered(server), connect(server) as client:
        send_all(client, HEAD + b"X: ", *[b"a" * (1 << 16)] * 512)
        answer = rest_of(client)
    assert status_of(answer) == 431
    assert "16384 bytes, 100 headers" in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"".join(b"X-%d: 1\r\n" % number for number in range(101)) + b"\r\n",
        HEAD + b"X: " + b"a" * (16 << 10) + b"\r\n\r\n",
        b"GET /" + b"a" * (16 << 10) + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["many", "long", "address"],
)
@pytest.mark.parametrize("at_once", [1 << 20, 1000])
def test_a_head_that_is_whole_and_too_long_is_refused_however_it_comes(
    server: SpawnedServer, head: bytes, at_once: int
) -> None:
    with connect(server) as client:
        send_all(client, *(head[begin : begin + at_once] for begin in range(0, len(head), at_once)))
        assert status_of(rest_of(client)) == 431


def test_a_head_of_15_kilobytes_and_95_headers_is_taken(server: SpawnedServer) -> None:
    many = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 150) for number in range(94))
    with connect(server) as client:
        client.sendall(WHOLE.replace(b"Host: x\r\n", b"Host: x\r\n" + many))
        assert answered(client) == 200


def test_a_trailer_without_end_is_cut_off(server: SpawnedServer) -> None:
    """What stands behind the last chunk is headers again."""
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX: "
    with others_are_answered(server), connect(server) as client:
        send_all(client, chunked, *[b"a" * (1 << 16)] * 512)
        assert status_of(rest_of(client)) == 431


def test_what_is_no_http_is_told_so(server: SpawnedServer) -> None:
    with connect(server) as client:
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        answer = rest_of(client)
    assert status_of(answer) == 400
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "what was sent is not an HTTP/1.1 request"


# Bodies


def test_64_megabytes_of_numbers_for_a_model_of_64_are_refused_by_their_length(server: SpawnedServer) -> None:
    numbers = b"0," * (32 << 20)
    with others_are_answered(server), connect(server) as client:
        send_all(client, HEAD + b"Content-Length: %d\r\n\r\n" % len(numbers), numbers)
        assert status_of(rest_of(client)) == 413


def test_a_body_in_chunks_is_refused_while_it_comes(server: SpawnedServer) -> None:
    chunk = b"10000\r\n" + b"0," * (1 << 15) + b"\r\n"
    with others_are_answered(server), connect(server) as client:
        send_all(client, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 1000)
        answer = rest_of(client)
    assert status_of(answer) == 413
    assert "takes 163840 for its models" in answer.decode()


def test_a_body_that_waits_to_be_asked_for_is_refused_before_it_is_sent(server: SpawnedServer) -> None:
    with connect(server) as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 100000000\r\n\r\n")
        assert status_of(rest_of(client)) == 413


@pytest.mark.parametrize("at_once", [1, 7, 100, 1 << 20])
def test_requests_in_pieces_are_answered_one_after_the_other(server: SpawnedServer, at_once: int) -> None:
    three = WHOLE + HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY) + WHOLE
    with connect(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for begin in range(0, len(three), at_once):
            client.sendall(three[begin : begin + at_once])
        found = b""
        while found.count(b"HTTP/1.1 200 OK") < 3:
            found += client.recv(1 << 16)


def test_a_body_as_large_as_the_limit_arrives_whole_and_the_next_one_too() -> None:
    padded = BODY + b" " * (3_000_000 - len(BODY))
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(padded) + padded
    with served(body_limit_bytes=3_000_000) as server, connect(server) as client:
        for _ in range(3):
            client.sendall(request)
            assert answered(client) == 200
        client.sendall(request.replace(b"Content-Length: 3000000", b"Content-Length: 3000001") + b" ")
        assert status_of(rest_of(client)) == 413


def test_bodies_that_wait_together_are_held_to_a_sum() -> None:
    """Each is within its limit, and none is whole. Whose bytes are read last is refused, not who sent last."""
    part = HEAD + b"Content-Length: 20000000\r\n\r\n" + b" " * 19_000_000
    with served(body_limit_bytes=20_000_000) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(5)]
        for client in clients:
            send_all(client, part)
        answered_clients, _, _ = select.select(clients, [], [], 20)
        assert [status_of(rest_of(client)) for client in answered_clients] == [503]
        assert infer(server) == 200
        assert refused(server) == {"memory": 1}


# Time


def test_two_hundred_slow_clients_are_cut_off_and_others_answered(server: SpawnedServer) -> None:
    before = refused(server).get("slow", 0)
    with others_are_answered(server), contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(200)]
        for number, client in enumerate(slow):
            client.sendall(HEAD + (b"Content-Length: 500\r\n\r\n" if number % 2 else b"X: "))
        end = time.monotonic() + 20
        for client in slow:
            client.setblocking(False)
        waiting = set(slow)
        while waiting and time.monotonic() < end:
            time.sleep(0.2)
            for client in list(waiting):
                try:
                    client.send(b"a")
                    if not client.recv(1000):
                        waiting.discard(client)
                except BlockingIOError:
                    pass
                except ConnectionError:
                    waiting.discard(client)
        assert not waiting
    assert refused(server)["slow"] - before == 200


@pytest.mark.parametrize(
    ("begin", "part"), [(HEAD, "head"), (HEAD + b"Content-Length: 9\r\n\r\n1", "body")], ids=["head", "body"]
)
def test_a_slow_one_is_told_what_was_missing(server: SpawnedServer, begin: bytes, part: str) -> None:
    with connect(server) as client:
        client.sendall(begin)
        answer = rest_of(client)
    assert status_of(answer) == 408
    assert f"the request's {part} was not whole after 1 s" in answer.decode()


def test_one_that_says_nothing_is_closed(server: SpawnedServer) -> None:
    with connect(server) as client:
        began = time.monotonic()
        assert rest_of(client) == b""
        assert time.monotonic() - began < 10


def test_the_time_in_which_the_server_did_not_listen_does_not_count(server: SpawnedServer) -> None:
    """A call takes three times as long as a request may."""
    with served(delay_s=3 * PATIENCE_S, request_seconds=PATIENCE_S) as slow, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(slow)) for _ in range(3)]
        for client in clients:
            client.sendall(WHOLE[:-10])
        time.sleep(0.2)
        for client in clients:
            client.sendall(WHOLE[-10:])
        for client in clients:
            client.settimeout(30)
            assert answered(client) == 200


def test_an_answer_that_is_not_taken_is_not_kept_for_ever(server: SpawnedServer) -> None:
    """The client asks on and on, and reads nothing. That the server let go may reach it much later, if its system
    finds no room for the word."""
    process = psutil.Process(server.ready.pid)
    with connect(server) as client:
        port = client.getsockname()[1]
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(2)
        ask = b"GET /metrics HTTP/1.1\r\n\r\n"
        began = time.monotonic()
        with contextlib.suppress(TimeoutError):
            send_all(client, *[ask] * 1_000_000)
        while any(held.raddr and held.raddr.port == port for held in process.net_connections()):
            assert time.monotonic() - began < 25
            time.sleep(0.1)
    assert infer(server) == 200


def test_sigterm_does_not_wait_for_a_request_that_is_not_whole() -> None:
    with served() as server, connect(server) as client:
        client.sendall(HEAD + b"Content-Length: 500\r\n\r\n1")
        time.sleep(0.2)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 2


# Numbers


def test_a_further_connection_takes_the_place_of_the_one_that_is_waited_for_longest() -> None:
    with served(connections=4) as server, contextlib.ExitStack() as stack:
        first, second, *_ = [stack.enter_context(connect(server)) for _ in range(4)]
        first.sendall(WHOLE)
        assert answered(first) == 200
        assert infer(server) == 200
        assert rest_of(second) == b""
        first.sendall(WHOLE)
        assert answered(first) == 200
        assert refused(server)["connections"] >= 1


def test_what_comes_after_the_last_request_is_nobodys() -> None:
    """Not a second answer on a connection that is closed, and no fault of the client's."""
    with served() as server:
        with connect(server) as client:
            client.sendall(b"GET /v2 HTTP/1.0\r\n\r\nGET /v2 HTTP/1.1\r\n\r\n")
            assert rest_of(client).count(b"HTTP/1.1 ") == 1
        assert refused(server) == {}


def test_one_client_cannot_ask_far_ahead() -> None:
    with served(delay_s=0.05) as server, others_are_answered(server), connect(server) as client:
        send_all(client, *[b"GET /v2 HTTP/1.1\r\n\r\n" * 10_000] * 20)
        rest_of(client)
    with served() as server:
        with connect(server) as client:
            client.sendall(WHOLE * 8)
            found = b""
            while found.count(b"HTTP/1.1 200 OK") < 8:
                found += client.recv(1 << 16)
        assert refused(server) == {}


def test_a_client_that_sends_no_more_hears_its_answers() -> None:
    with served(delay_s=0.2) as server, connect(server) as client:
        client.sendall(WHOLE * 3)
        client.shutdown(socket.SHUT_WR)
        found = rest_of(client)
    assert found.count(b"HTTP/1.1 200 OK") == 3
    assert found.count(b"connection: close") == 1
