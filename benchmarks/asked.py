"""A server as a benchmark asks it: started on a port of its own, asked over one kept socket, its memory read."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import msgspec
import psutil

from edgeproof.measure.process import peak_memory_bytes
from edgeproof.process import environment

__all__ = ["Answered", "Asked", "Memory", "Socket", "binary_request", "free_port", "json_request", "ours", "parsed"]

POLL_S = 0.0005
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
JSON_BYTES = re.compile(rb"inference-header-content-length: (\d+)", re.IGNORECASE)


class Answered(NamedTuple):
    """Status, what the JSON says, and the tensors in binary behind it."""

    status: int
    told: dict[str, Any]
    binary: bytes


class Memory(NamedTuple):
    """Of all processes of a server together, in bytes; what they share counts once in ``proportional``."""

    peak_resident: int
    proportional: int
    processes: int


def json_request(path: str, name: str, values: Any) -> bytes:
    """A whole HTTP request for one float32 input, in JSON."""
    tensor = {"name": name, "shape": list(values.shape), "datatype": "FP32", "data": values.ravel().tolist()}
    return _post(path, msgspec.json.encode({"inputs": [tensor]}), b"")


def binary_request(path: str, name: str, values: Any) -> bytes:
    """The same with its values in binary, asking for outputs in binary."""
    parameters = {"binary_data_size": values.nbytes}
    tensor = {"name": name, "shape": list(values.shape), "datatype": "FP32", "parameters": parameters}
    text = msgspec.json.encode({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    return _post(path, text + values.tobytes(), b"Inference-Header-Content-Length: %d\r\n" % len(text))


def free_port() -> int:
    """A port of the loopback interface that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Socket:
    """One connection that is kept: nothing of a client library is measured with it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> bytes:
        """The whole answer.

        Raises:
            ConnectionError: the server closed it.
        """
        self._socket.sendall(request)
        found = self._socket.recv(1 << 16)
        head = found.find(b"\r\n\r\n")
        while head < 0:
            found += self._more()
            head = found.find(b"\r\n\r\n")
        told = LENGTH.search(found, 0, head)
        assert told is not None
        whole = head + 4 + int(told[1])
        while len(found) < whole:
            found += self._more()
        return found

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the server closed the connection amid its answer")
        return data


def parsed(answer: bytes) -> Answered:
    """An answer taken apart."""
    head, _, body = answer.partition(b"\r\n\r\n")
    told = JSON_BYTES.search(head)
    size = len(body) if told is None else int(told[1])
    return Answered(int(head[9:12]), msgspec.json.decode(body[:size]), body[size:])


class Asked:
    """A server's process while the block runs, and one connection to it.

    Args:
        command: of the server, with its port in it.
        port: where it listens.

    Attributes:
        listening_ms: from the start of its process until it took a connection.
    """

    def __init__(self, command: Sequence[str], port: int) -> None:
        self._command, self._port = command, port

    def __enter__(self) -> Asked:
        self._began_ns = time.perf_counter_ns()
        self._process = subprocess.Popen(self._command, env=environment(), stdout=subprocess.DEVNULL)
        self.connection = self._connected()
        self._connected_ns = time.perf_counter_ns()
        self.listening_ms = (self._connected_ns - self._began_ns) / 1e6
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if hasattr(self, "connection"):
            self.connection.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def first(self, request: bytes) -> tuple[float, float, Answered]:
        """Ask for the first time: ms from the start of its process, and from its listening on, to the answer.

        Raises:
            AssertionError: it is none.
        """
        answer = self.connection.ask(request)
        now_ns = time.perf_counter_ns()
        found = parsed(answer)
        assert found.status == 200, found
        return (now_ns - self._began_ns) / 1e6, (now_ns - self._connected_ns) / 1e6, found

    def pids(self) -> list[int]:
        """Of all its processes, the one that was started first."""
        found = psutil.Process(self._process.pid)
        return [found.pid, *(child.pid for child in found.children(recursive=True))]

    def processor_ms(self) -> float:
        """Processor time of all its processes so far, in steps of the system's ticks, and of those that have ended."""
        times = [psutil.Process(pid).cpu_times() for pid in self.pids()]
        return 1e3 * float(sum(each.user + each.system + each.children_user + each.children_system for each in times))

    def memory(self) -> Memory:
        """What all its processes take."""
        pids = self.pids()
        peaks = [peak_memory_bytes(pid) or 0 for pid in pids]
        return Memory(sum(peaks), sum(_proportional(pid) for pid in pids), len(pids))

    def _connected(self) -> Socket:
        end = time.monotonic() + 120
        while True:
            try:
                return Socket(self._port)
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    self.__exit__(None, None, None)
                    raise
                time.sleep(POLL_S)


def _post(path: str, body: bytes, headers: bytes) -> bytes:
    kind = b"application/octet-stream" if headers else b"application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
    return head + b"Content-Type: %b\r\n%bContent-Length: %d\r\n\r\n" % (kind, headers, len(body)) + body


def _proportional(pid: int) -> int:
    told = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return 0 if told is None else int(told[1]) * 1024


def ours(artifact: Path, port: int, threads: int = 1) -> list[str]:
    """The command that serves an artifact as ``digits``."""
    words = [str(artifact), "--name", "digits", "--port", str(port), "--threads", str(threads)]
    return [sys.executable, "-m", "edgeproof.serve.launch", *words]
