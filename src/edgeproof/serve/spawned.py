"""A server in a process of its own, as a measurement needs it: started, awaited, stopped, and its end explained."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from edgeproof.errors import ServingError
from edgeproof.process import Child, module_command
from edgeproof.serve.launch import Ready

__all__ = ["SpawnedServer"]


class SpawnedServer:
    """``python -m edgeproof.serve.launch ARTIFACT`` on a free port of the loopback interface, while the block runs.

    Args:
        artifact: what it serves.
        threads: of the runtime, and of every known thread pool.
        timeout_s: for the first ready line.
        trust: whether an artifact that this user did not make may run code.
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
        trust: bool = False,
        command: Sequence[str] | None = None,
    ) -> None:
        self._artifact, self._threads, self._timeout_s = artifact, threads, timeout_s
        words = [str(artifact), "--port", "0", "--threads", str(threads), *(["--trust"] if trust else [])]
        self._command = command or module_command("edgeproof.serve.launch", *words)
        self._child: Child | None = None

    def __enter__(self) -> SpawnedServer:
        self._child = child = Child(self._command, threads=self._threads, talks=True)
        self.spawned_monotonic_ns = child.spawned_monotonic_ns
        try:
            self.ready = self._await_ready(child)
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
        if self._child is not None:
            with self._child as child:
                child.stop(grace_s=grace_s)
        self._child = None

    def _await_ready(self, child: Child) -> Ready:
        """The first JSON line on stdout; other lines before it are a runtime's chatter."""
        stream = child.stdout.fileno()
        end = time.monotonic() + self._timeout_s
        buffer = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while True:
                if not selector.select(max(0.0, end - time.monotonic())):
                    late, said = f"was not ready after {self._timeout_s:g} s", child.said()
                    raise ServingError(f"the server of {self._artifact} {late}{f'; it said: {said}' if said else ''}")
                data = os.read(stream, 1 << 16)
                if not data:
                    raise ServingError(f"the server of {self._artifact} {child.wait()}")
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    try:
                        return msgspec.json.decode(line, type=Ready)
                    except msgspec.MsgspecError:
                        continue
