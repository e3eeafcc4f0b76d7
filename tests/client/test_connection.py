"""The connection against servers that behave and servers that do not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edgeproof.client.connection import Connection
from edgeproof.errors import ServingError, UsageError

Raw = Callable[[bytes], str]


@pytest.fixture
def raw_server() -> Iterator[Raw]:
    """Gives the URL of a server that answers every connection with the given bytes and closes it."""
    listeners: list[socket.socket] = []

    def start(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.recv(1 << 16)
                    client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


class Echo(BaseHTTPRequestHandler):
    """HTTP/1.1 as the standard library speaks it: an independent server."""

    protocol_version = "HTTP/1.1"
    connections = 0

    def setup(self) -> None:
        super().setup()
        type(self).connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(body), 7):
                part = body[start : start + 7]
                self.wfile.write(b"%x;note=1\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("content-LENGTH", str(len(body)))
            if self.path == "/close":
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[str]:
    Echo.connections = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["/length", "/chunked"])
@pytest.mark.parametrize("size", [0, 1, 100, 300_000])
def test_bodies_come_back_whole_on_one_connection(echo: str, path: str, size: int) -> None:
    with Connection(echo) as connection:
        for number in range(3):
            body = bytes([65 + number]) * size
            assert connection.request("POST", path, body)[:2] == (200, body)
    assert Echo.connections == 1


def test_a_connection_that_the_server_closes_is_opened_again(echo: str) -> None:
    with Connection(echo) as connection:
        for _ in range(3):
            assert connection.request("POST", "/close", b"abc").body == b"abc"
    assert Echo.connections == 3


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "before the answer was whole"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nabc", "neither a length nor chunks"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk without a length"),
        (b"x" * 100_000, "header that does not end"),
    ],
)
def test_answers_that_are_no_http_are_refused(raw_server: Raw, answer: bytes, message: str) -> None:
    with Connection(raw_server(answer)) as connection, pytest.raises(ServingError, match=message):
        connection.request("GET", "/v2")


def test_a_server_that_is_silent_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Connection(url, timeout_s=0.2) as connection, pytest.raises(ServingError, match="no answer in time"):
            connection.request("GET", "/v2")


def test_nobody_there_is_said_with_what_to_do() -> None:
    with Connection("http://127.0.0.1:9") as connection, pytest.raises(ServingError, match="cannot reach") as caught:
        connection.request("GET", "/v2")
    assert "edgeproof serve" in (caught.value.hint or "")


@pytest.mark.parametrize("url", ["https://127.0.0.1", "ftp://x", "http://", "http://host:port", "http://host:99999"])
def test_urls_that_are_no_http_are_wrong_use(url: str) -> None:
    with pytest.raises(UsageError):
        Connection(url)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("127.0.0.1:80", True),
        ("localhost:8080", True),
        ("http://[::1]:80", True),
        ("http://10.0.0.2:80", False),
    ],
)
def test_loopback_is_known(url: str, local: bool) -> None:
    assert Connection(url).local is local
