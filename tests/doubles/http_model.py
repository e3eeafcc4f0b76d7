"""A server of one model with faults to order: it stands for any server of the Open Inference Protocol, with JSON and
raw tensors, and leaves out the model (``scores`` is the sum of ``x`` three times), checks of the request, and ours.

One call at a time, as a model that has one processor. ``python tests/doubles/http_model.py '{"delay_s": 0.005}'`` is a
process of its own, so that its time is not the client's.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

FEATURES = 4


class Faults:
    """What goes wrong, by the number of the inference from 1 on.

    Args:
        delay_s: that each call takes.
        stall_every: every so many calls one takes ``stall_s`` more.
        stall_s: that.
        busy_every: every so many calls are answered with 503 and ``Retry-After: 0``.
        drop_every: every so many calls the connection is closed without an answer.
        extensions: that it announces.
    """

    def __init__(
        self,
        *,
        delay_s: float = 0.0,
        stall_every: int = 0,
        stall_s: float = 0.0,
        busy_every: int = 0,
        drop_every: int = 0,
        extensions: tuple[str, ...] = ("binary_tensor_data",),
    ) -> None:
        self.delay_s, self.stall_every, self.stall_s = delay_s, stall_every, stall_s
        self.busy_every, self.drop_every = busy_every, drop_every
        self.extensions = extensions
        self.lock = threading.Lock()
        self.calls = 0
        self.connections = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    faults: Faults

    def setup(self) -> None:
        super().setup()
        self.faults.connections += 1

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        if self.path == "/v2":
            said: Any = {"name": "double", "version": "1", "extensions": self.faults.extensions, "models": ["double"]}
        else:
            said = {
                "name": "double",
                "platform": "double",
                "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, FEATURES]}],
                "outputs": [{"name": "scores", "datatype": "FP32", "shape": [1, 3]}],
            }
        self._answer(200, json.dumps(said).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        length = self.headers.get("Inference-Header-Content-Length")
        faults = self.faults
        with faults.lock:
            faults.calls += 1
            number = faults.calls
            if faults.drop_every and number % faults.drop_every == 0:
                self.close_connection = True
                return
            if faults.busy_every and number % faults.busy_every == 0:
                self._answer(503, b'{"error": "busy"}', **{"Retry-After": "0"})
                return
            stall = faults.stall_s if faults.stall_every and number % faults.stall_every == 0 else 0.0
            if faults.delay_s + stall:
                time.sleep(faults.delay_s + stall)
        head = json.loads(body[: int(length)] if length else body)
        tensor = head["inputs"][0]
        raw = body[int(length) :] if length else np.array(tensor["data"], "<f4").tobytes()
        scores = np.full((1, 3), np.frombuffer(raw, "<f4").sum(), "<f4")
        output: dict[str, Any] = {"name": "scores", "datatype": "FP32", "shape": [1, 3]}
        answer: dict[str, Any] = {"model_name": "double", "parameters": {"inference_us": 1.0}, "outputs": [output]}
        if head.get("parameters", {}).get("binary_data_output"):
            output["parameters"] = {"binary_data_size": scores.nbytes}
            told = json.dumps(answer).encode()
            self._answer(200, told + scores.tobytes(), **{"Inference-Header-Content-Length": str(len(told))})
        else:
            output["data"] = scores.ravel().tolist()
            self._answer(200, json.dumps(answer).encode())

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def http_model(faults: Faults) -> Iterator[str]:
    """Serve in a thread; the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"faults": faults})) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@contextlib.contextmanager
def model_process(**faults: Any) -> Iterator[str]:
    """Serve in a process of its own; the URL."""
    import subprocess

    with subprocess.Popen([sys.executable, __file__, json.dumps(faults)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


if __name__ == "__main__":
    with http_model(Faults(**json.loads(sys.argv[1]))) as url:
        print(url, flush=True)
        threading.Event().wait()
