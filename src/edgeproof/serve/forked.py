"""The first process of a model, forked from the server while that is young: it has imported by then what both need, and
that is half of a start.

A process that is started later, in place of one that died, is started afresh: by then there is an event loop, and there
may be threads.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import IO, NoReturn

from edgeproof.child import PARENT, tie_to_parent
from edgeproof.process import Launch, Process, spawn

__all__ = ["forks", "start_forked"]

NOT_WITH = ("numpy", "torch", "zenoh")
"""Modules that may have threads of their own, which a fork has not."""
FIRST_NUMBER = 3
"""Of descriptors that are none of the three that every process has."""


def forks() -> bool:
    """Whether this process may be forked and the fork go on in Python: Linux, and no thread but this one."""
    return (
        sys.platform == "linux" and threading.active_count() == 1 and not any(name in sys.modules for name in NOT_WITH)
    )


def start_forked(main: Callable[[Sequence[str]], int]) -> Callable[[Launch], Process]:
    """Starts a fork of this process that calls ``main``; where that cannot be, afresh, with the launch's command."""

    def start(launch: Launch) -> Process:
        return _fork(main, launch) if forks() else spawn(launch)

    return start


class _Forked:
    """A fork of this process."""

    pipes: tuple[IO[bytes], IO[bytes]] | None = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.processor_s: float | None = None
        self._code: int | None = None

    def wait(self, seconds: float | None = None) -> int | None:
        """As ``Process.wait``."""
        if self._code is None and seconds:
            number = os.pidfd_open(self.pid)
            try:
                select.select([number], [], [], seconds)
            finally:
                os.close(number)
        if self._code is None:
            pid, status, used = os.wait4(self.pid, 0 if seconds is None else os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
                self.processor_s = used.ru_utime + used.ru_stime
        return self._code


def _fork(main: Callable[[Sequence[str]], int], launch: Launch) -> Process:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        _become(main, launch, parent)
    return _Forked(pid)


def _become(main: Callable[[Sequence[str]], int], launch: Launch, parent: int) -> NoReturn:
    """What the launch asks for, in the fork: a session, an environment and descriptors of its own."""
    code = 1
    try:
        tie_to_parent()
        if os.getppid() != parent:
            os._exit(1)  # it was gone before that line
        os.setsid()
        os.environ.clear()
        os.environ.update({name: value for name, value in launch.env.items() if name != PARENT})
        assert launch.stdin is not None
        os.dup2(launch.stdin, 0)
        os.dup2(launch.output, 1)
        os.dup2(launch.output, 2)
        os.closerange(FIRST_NUMBER, max(map(int, os.listdir("/proc/self/fd"))) + 1)  # noqa: PTH208
        code = main(())
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
