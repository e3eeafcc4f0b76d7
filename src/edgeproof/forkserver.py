"""A process that has done once what many need alike, such as to import PyTorch, and forks each of them from there.

    python -m edgeproof.forkserver MODULE:FUNCTION WORDS…

calls the function on the words, says that it is ready, and takes requests on its stdin, a socket. A fork becomes
``python -m`` of what the request names, in the request's environment and folder and with its files. Python's own
``multiprocessing.forkserver`` would import the user's ``__main__`` again, and gives a process no files of its own.

A cold start is never measured on a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from edgeproof.child import PARENT, die_with_parent, tie_to_parent, untie_from_parent
from edgeproof.errors import ProcessError
from edgeproof.process import (
    Child,
    Ended,
    Launch,
    Limits,
    Process,
    Start,
    Watch,
    environment,
    kill_group,
    module_command,
    spawn,
)

__all__ = ["ForkServer", "shared_start"]

READ_AT_START = (
    *("PYTHON", "LD_", "DYLD_", "MALLOC_", "LANG", "LC_"),
    *("OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "TORCH", "PYTORCH_", "ATEN_", "CUDA_"),
)
"""Beginnings of the variables that Python, the loader and the libraries read when they start, and not again."""
READY = b"r"
WORD = 8
"""Bytes of a number between a server and here."""
POLL_SECONDS = 0.1


class ForkServer:
    """Started when it is made, to be asked for forks once it is ``ready``, and closed after use.

    Args:
        target: ``module:function`` to be called first.
        words: what it is called with.
        start: how the server itself comes to be; another server's ``start`` begins where that one stands.

    Raises:
        ProcessError: it cannot be started.
    """

    def __init__(self, target: str, *words: str, start: Start = spawn) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._child = Child(
                module_command("edgeproof.forkserver", target, *words),
                stdin=theirs.fileno(),
                start=start,
                stands=True,
            )

    def ready(self, limits: Limits) -> Ended | None:
        """Wait until it has done what it is there for: None, or how it ended instead."""
        watch = Watch(self._child.pid, limits)
        while not select.select([self._control], [], [], POLL_SECONDS)[0]:
            stopped = watch.exceeded()
            if stopped is not None:
                return self._child.stopped(stopped, watch)
        with contextlib.suppress(OSError):
            if self._control.recv(1) == READY:
                return None
        return self._child.wait(limits)

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return not select.select([self._control], [], [], 0)[0]

    def start(self, launch: Launch) -> Process:
        """Fork a process of ``python -m MODULE WORDS…``, which cannot talk; a ``Start``.

        Thread pools that were made when their library was imported have one thread, whatever its environment says.

        Raises:
            OSError: the server is gone.
        """
        assert not launch.talks
        python, words = list(launch.command[:2]), launch.command[2:]
        assert python == module_command("")[:2]
        request = {"words": words, "env": launch.env, "folder": launch.folder or str(Path.cwd())}
        with tempfile.TemporaryFile() as written, Path(os.devnull).open("rb") as nothing:
            written.write(json.dumps(request).encode())
            written.flush()
            stdin = nothing.fileno() if launch.stdin is None else launch.stdin
            told, tell = os.pipe()
            try:
                socket.send_fds(self._control, [b"f"], [written.fileno(), stdin, launch.output, tell])
            except OSError:
                os.close(told)
                raise
            finally:
                os.close(tell)
            return _Forked(os.fdopen(told, "rb", buffering=0))

    def close(self) -> None:
        """Stop it, and what it forked."""
        self._control.close()
        self._child.close()

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Forked:
    """A process that a server has forked, and of whose end it tells."""

    pipes = None

    def __init__(self, told: IO[bytes]) -> None:
        self._told = told
        self._code: int | None = None
        self.processor_s: float | None = None
        first = told.read(WORD)
        if len(first) < WORD:
            told.close()
            raise ConnectionResetError("the process that it is forked from is gone")
        self.pid = int.from_bytes(first, sys.byteorder)

    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit code; that of SIGKILL where the server, and so the process, is gone."""
        if self._code is None and select.select([self._told], [], [], seconds)[0]:
            code, used_us = (self._told.read(WORD) for _ in range(2))
            self._code = int.from_bytes(code, sys.byteorder, signed=True) if len(code) == WORD else -signal.SIGKILL
            if len(used_us) == WORD:
                self.processor_s = int.from_bytes(used_us, sys.byteorder) / 1e6
            self._told.close()
        return self._code


class _Shared:
    """Servers that this process keeps for whoever needs one, until it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[tuple[str, ...], threading.Lock] = {}
        self._servers: dict[tuple[str, ...], tuple[tuple[object, ...], ForkServer]] = {}
        atexit.register(self.close)

    def server(self, target: str, words: tuple[str, ...], what: str, start: Start) -> ForkServer:
        """The one that has called ``target`` with these words; a new one where there is none, or where what it read
        when it started has changed since."""
        read = {name: value for name, value in environment().items() if name.startswith(READ_AT_START)}
        state = (os.getpid(), sys.executable, read)
        key = (target, *words)
        with self._lock:
            alone = self._locks.setdefault(key, threading.Lock())
        with alone:  # servers of other targets may be made meanwhile
            found = self._servers.pop(key, None)
            if found is not None and (found[0] != state or not found[1].alive):
                if found[0][0] == state[0]:
                    found[1].close()
                found = None
            server = ForkServer(target, *words, start=start) if found is None else found[1]
            ended = server.ready(Limits()) if found is None else None
            if ended is not None:
                server.close()
                raise ProcessError(f"the process of {what} {ended}")
            self._servers[key] = state, server
            return server

    def close(self) -> None:
        """Stop them."""
        while self._servers:
            (pid, *_), server = self._servers.popitem()[1]
            if pid == os.getpid():
                server.close()


@functools.cache
def _shared() -> _Shared:
    return _Shared()


def shared_start(target: str, *words: str, what: str, start: Start = spawn) -> Start:
    """How a process is started that begins where ``target`` has been called: forked from a server that is kept for the
    next ones. Where a fork is not safe with the system's own libraries, as on macOS, it is started afresh.

    Args:
        target: ``module:function``.
        words: what it is called with.
        what: its name, for messages.
        start: how the server itself comes to be.

    Raises:
        ProcessError: the function failed, crashed, or took longer than the default limits.
    """
    if sys.platform != "linux":
        return spawn
    return _shared().server(target, words, what, start).start


@dataclass(frozen=True)
class _Request:
    """What a fork is to become, and the descriptors of its input and output."""

    words: list[str]
    env: dict[str, str]
    folder: str
    stdin: int
    output: int


def _requests(control: socket.socket) -> Iterator[_Request]:
    """Serve: in the server itself it ends when nobody asks any more, in a fork it gives what that is to become."""
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, int] = {}
    while True:
        readable, _, _ = select.select([control.fileno(), wake], [], [])
        if wake in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 1 << 16)
            _tell_of_the_ended(running)
        if control.fileno() in readable:
            try:
                _, given, _, _ = socket.recv_fds(control, 1, 4)
            except ConnectionError:
                given = []
            if not given:
                break
            written, stdin, output, tell = given
            pid = os.fork()
            if pid == 0:
                tie_to_parent()
                os.setpgid(0, 0)
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                for number in (wake, woken, tell, *running.values()):
                    os.close(number)
                request = json.loads(os.pread(written, os.fstat(written).st_size, 0))
                os.close(written)
                yield _Request(**request, stdin=stdin, output=output)
            with contextlib.suppress(OSError):
                os.setpgid(pid, pid)  # on both sides, so that the group is there before anybody hears of it
            running[pid] = tell
            _tell(tell, pid)
            for number in (written, stdin, output):
                os.close(number)
    for pid in running:
        kill_group(pid)


def _tell_of_the_ended(running: dict[int, int]) -> None:
    while running:
        pid, status, used = os.wait4(-1, os.WNOHANG)
        if pid == 0:
            return
        tell = running.pop(pid, None)
        if tell is not None:
            _tell(tell, os.waitstatus_to_exitcode(status), round(1e6 * (used.ru_utime + used.ru_stime)))
            os.close(tell)


def _tell(number: int, *values: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(number, b"".join(value.to_bytes(WORD, sys.byteorder, signed=True) for value in values))


def _become(request: _Request) -> NoReturn:
    """Run a module as ``python -m`` does, to its end."""
    import runpy

    for number, source in ((0, request.stdin), (1, request.output), (2, request.output)):
        os.dup2(source, number)
    os.close(request.stdin)
    os.close(request.output)
    os.environ.clear()
    os.environ.update(request.env)
    os.environ[PARENT] = str(os.getppid())
    os.chdir(request.folder)
    if not sys.flags.safe_path:
        sys.path[0] = str(Path.cwd())
    if "numpy" in sys.modules:
        import numpy as np

        np.random.seed()  # else all forks would draw the same
    module, *words = request.words
    sys.argv = [module, *words]
    code: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as left:
        code = left.code
    except BaseException:
        code = 1
        sys.excepthook(*sys.exc_info())
    _leave(code)


def _leave(code: object) -> NoReturn:
    """End as ``sys.exit`` does, but for the taking down of modules: that would copy all that is shared with the server,
    half a second's work."""
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
        code = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit((code or 0) & 0xFF)


def _main(arguments: Sequence[str]) -> NoReturn:
    import gc
    import importlib

    die_with_parent()  # while it waits here; afterwards the end of the requests tells
    control = socket.socket(fileno=os.dup(0))
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    target, *words = arguments
    module, _, name = target.partition(":")
    getattr(importlib.import_module(module), name)(*words)
    gc.collect()
    gc.freeze()  # what is there now is never collected: a fork need not copy it
    untie_from_parent()
    control.send(READY)
    for request in _requests(control):
        _become(request)
    sys.exit(0)


if __name__ == "__main__":
    _main(sys.argv[1:])
