"""Servers as processes of their own: started, asked over a socket, stopped by signals."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgeproof.errors import ServingError
from edgeproof.process import Limits
from edgeproof.serve.opening import is_artifact
from edgeproof.serve.spawned import SpawnedServer

DOUBLE = Path(__file__).parents[1] / "doubles" / "session.py"
BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [0, 1, 0, 0]}]})


def double(*arguments: str) -> SpawnedServer:
    return SpawnedServer(Path("double"), command=[sys.executable, str(DOUBLE), *arguments], timeout_s=30)


def ask(url: str, method: str, path: str, body: str | bytes | None = None) -> tuple[int, bytes]:
    """Status and body of one request, as the standard library's client sees it."""
    with contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)) as connection:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_an_artifact_is_served_on_a_free_port(artifact: Path) -> None:
    with SpawnedServer(artifact, timeout_s=60) as server:
        assert server.ready.model == "tiny"
        assert server.ready.load_ms > 0
        _, answer = ask(server.ready.url, "POST", "/v2/models/tiny/infer", BODY)
        told = json.loads(answer)
        assert told["outputs"][0]["data"] == [3.0, 4.0, 5.0]
        assert told["parameters"]["artifact_sha256"] == hashlib.sha256(artifact.read_bytes()).hexdigest()


def test_the_server_of_an_artifact_never_imports_torch(artifact: Path) -> None:
    code = """
import sys, threading, os, signal
from edgeproof.serve.launch import serve
from edgeproof.serve.opening import Opening, open_model
serve([Opening(name="x", source={"model": sys.argv[1]})], port=0, ready=lambda _: os.kill(os.getpid(), signal.SIGTERM))
print([name for name in ("torch", "numpy", "onnxruntime") if name in sys.modules])
open_model(Opening(name="x", source={"model": sys.argv[1]}))
print([name for name in ("torch", "matplotlib", "onnx") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code, str(artifact)], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["[]", "[]"], done.stderr


def test_sigterm_ends_it_cleanly_after_the_request_that_runs() -> None:
    with double("0", "4", "0.5") as server:
        child = server._child
        assert child is not None
        answers: list[int] = []

        def infer() -> None:
            answers.append(ask(server.ready.url, "POST", "/v2/models/double/infer", BODY)[0])

        asking = threading.Thread(target=infer)
        asking.start()
        time.sleep(0.25)
        os.kill(child.pid, signal.SIGTERM)
        asking.join(10)
        assert answers == [200]
        assert child.wait(Limits(seconds=10)).code == 0


def test_a_port_in_use_is_said_and_nothing_hangs(artifact: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "edgeproof.serve.launch", str(artifact), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert "--port 0" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_others_reach_needs_protection(tmp_path: Path) -> None:
    """It is said before the model is opened."""
    words = [sys.executable, "-m", "edgeproof.serve.launch", str(tmp_path / "gone.onnx"), "--port", "0", "--host"]
    for host in ("0.0.0.0", "::"):
        done = subprocess.run([*words, host], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        assert f"a server on {host} can be asked by every machine" in done.stderr
        assert "--token-file FILE" in done.stderr


def test_a_token_is_asked_of_every_request(artifact: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef-_x\n")
    command = [sys.executable, "-m", "edgeproof.serve.launch", str(artifact), "--port", "0", "--token-file", str(token)]
    with SpawnedServer(artifact, command=[*command, "--host", "0.0.0.0"]) as server:
        url = f"http://127.0.0.1:{server.ready.url.rpartition(':')[2]}"
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer 0123456789abcdef-_y"}, 401),
            ({"Authorization": "Basic 0123456789abcdef-_x"}, 401),
            ({"Authorization": "Bearer 0123456789abcdef-_x"}, 200),
        ):
            with contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)) as connection:
                connection.request("POST", "/v2/models/tiny/infer", BODY, headers)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == status, headers
                assert answer.getheader("www-authenticate") == ("Bearer" if status == 401 else None)


def test_a_huge_body_is_refused_and_the_server_lives() -> None:
    with double("0", "4", "0") as server:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            assert ask(server.ready.url, "POST", "/v2/models/double/infer", b" " * (2 << 20))[0] == 413
        assert ask(server.ready.url, "POST", "/v2/models/double/infer", BODY)[0] == 200


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST /v2 HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_garbage_on_the_socket_does_not_end_it(garbage: bytes) -> None:
    with double("0", "4", "0") as server:
        host, port = server.ready.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 5) as raw:
            raw.sendall(garbage)
            raw.settimeout(2)
            with contextlib.suppress(TimeoutError, ConnectionResetError):
                raw.recv(1000)
        assert ask(server.ready.url, "GET", "/v2/health/live")[0] == 200


def test_a_server_that_dies_while_it_starts_is_explained(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(ServingError, match="ended with exit code 1; it said: error: "), SpawnedServer(broken):
        pass


def test_a_server_that_never_gets_ready_is_stopped() -> None:
    command = [sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(60)"]
    silent = SpawnedServer(Path("silent"), command=command, timeout_s=1)
    begin = time.monotonic()
    with pytest.raises(ServingError, match="was not ready after 1 s"), silent:
        pass
    assert time.monotonic() - begin < 8


def test_chatter_before_the_ready_line_is_passed_over() -> None:
    line = '{"url": "http://127.0.0.1:1", "model": "m", "pid": 1, "load_ms": 2.5, "threads": 1}'
    command = [
        sys.executable,
        "-c",
        f"import time; print('INFO: delegate'); print('{line}', flush=True); time.sleep(60)",
    ]
    with SpawnedServer(Path("x"), command=command, timeout_s=10) as server:
        assert server.ready.load_ms == 2.5


def test_a_module_reference_is_no_artifact(tmp_path: Path) -> None:
    program = tmp_path / "model.pt2"
    program.write_bytes(b"")
    assert not is_artifact("file.py:model")
    assert not is_artifact(str(program))
    (tmp_path / "artifact.json").write_text("{}")
    assert is_artifact(str(program))
    assert is_artifact(str(tmp_path))
