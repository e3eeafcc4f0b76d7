"""A server in a process of its own, as a measurement needs it: started, awaited, stopped, and its end explained."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from edgeproof.errors import ServingError
from edgeproof.measure.process import environment_for
from edgeproof.serve.launch import Ready

__all__ = ["SpawnedServer"]


class SpawnedServer:
    """``python -m edgeproof.serve.launch ARTIFACT`` on a free port of the loopback interface, while the block runs.

    Args:
        artifact: what it serves.
        threads: of the runtime, and of every known thread pool.
        timeout_s: for the first ready line.
        command: another command that prints a ready line.

    Attributes:
        ready: what the server said.
        spawned_monotonic_ns: when the process was started.

    Raises:
        ServingError: on entering, when it dies or stays silent; the message ends with what it printed.
    """

    ready: Ready
    spawned_monotonic_ns: int

    def __init__(
        self,
        artifact: Path,
        *,
        threads: int = 1,
        timeout_s: float = 120.0,
        command: Sequence[str] | None = None,
    ) -> None:
        self._artifact = artifact
        self._timeout_s = timeout_s
        self._command = command or [
            *(sys.executable, "-m", "edgeproof.serve.launch", str(artifact)),
            *("--port", "0", "--threads", str(threads)),
        ]
        self._environment = environment_for(threads)
        self._stack = contextlib.ExitStack()
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> SpawnedServer:
        self._printed = self._stack.enter_context(tempfile.TemporaryFile())
        self.spawned_monotonic_ns = time.monotonic_ns()
        self._child = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            start_new_session=True,
        )
        try:
            self.ready = self._await_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self, *, grace_s: float = 10.0) -> None:
        """End it with SIGTERM, and with SIGKILL when that is not enough."""
        child = self._child
        if child is None:
            return
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(grace_s)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        if child.stdout is not None:
            child.stdout.close()
        self._stack.close()
        self._child = None

    def _await_ready(self) -> Ready:
        """The first JSON line on stdout; other lines before it are a runtime's chatter."""
        assert self._child is not None
        assert self._child.stdout is not None
        stream = self._child.stdout.fileno()
        end = time.monotonic() + self._timeout_s
        buffer = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while True:
                if not selector.select(max(0.0, end - time.monotonic())):
                    late = f"was not ready after {self._timeout_s:g} s"
                    raise ServingError(f"the server of {self._artifact} {late}{self._said()}")
                data = os.read(stream, 1 << 16)
                if not data:
                    code = self._child.wait()
                    raise ServingError(f"the server of {self._artifact} ended with exit code {code}{self._said()}")
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    try:
                        return msgspec.json.decode(line, type=Ready)
                    except msgspec.MsgspecError:
                        continue

    def _said(self) -> str:
        self._printed.seek(0)
        lines = self._printed.read().decode(errors="replace").splitlines()
        tail = " | ".join(line.strip() for line in lines[-3:] if line.strip())
        return f"; it said: {tail}" if tail else ""
