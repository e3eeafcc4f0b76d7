"""Processes of ours: started in a quiet environment, held to limits, their end put into words, gone with the parent.

Nothing else in the house starts one. What a process is for is its caller's business.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

from edgeproof.child import PARENT
from edgeproof.errors import ProcessError
from edgeproof.scratch import SCRATCH, scratch
from edgeproof.timeline import begun
from edgeproof.together import started_here

__all__ = [
    "SILENT",
    "Child",
    "Ended",
    "Launch",
    "Limits",
    "Process",
    "Start",
    "Watch",
    "ask",
    "environment",
    "kill_group",
    "module_command",
    "outcome_of",
    "spawn",
    "usable_cpus",
]

SILENT = {"ORT_DISABLE_TELEMETRY": "1", "NNCF_CI": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
"""Variables by which runtimes and converters are told to report nothing to their makers."""
WALL_FACTOR = 4
"""Wall seconds to one of processor time: a busy machine may run four at a time, and what hangs is still stopped."""
POLL_SECONDS = 0.25
TAIL_LINES = 3
TAIL_BYTES = 16 << 10
OWN, WITH_CHILDREN = slice(11, 13), slice(11, 15)
"""Of proc_pid_stat(5), behind the name: utime, stime, and those of children that were waited for."""
PASSED_ON_BYTES = 1 << 20
"""Of what a process has printed and was passed on, kept at most."""


@dataclass(frozen=True)
class Limits:
    """For one process and everything that it starts.

    Attributes:
        seconds: processor time of all of them together, so that a busy machine stops nobody.
        memory_bytes: resident memory of the largest.
        wall_seconds: by the clock, for what hangs; None: four times ``seconds``.
    """

    seconds: float = 300.0
    memory_bytes: int = 8 << 30
    wall_seconds: float | None = None

    @property
    def wall(self) -> float:
        """Seconds by the clock."""
        return WALL_FACTOR * self.seconds if self.wall_seconds is None else self.wall_seconds


def environment(threads: int = 1) -> dict[str, str]:
    """The environment of every child: quiet, offline, without telemetry, each known thread pool held to ``threads``,
    what is temporary in this process's folder for it."""
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {
        **os.environ,
        **dict.fromkeys(pools, str(threads)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        **SILENT,
        "PYTHONWARNINGS": "ignore",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(scratch()),
        SCRATCH: str(scratch()),
        PARENT: str(os.getpid()),
    }


def usable_cpus() -> tuple[int, ...]:
    """The cores this process may run on; empty where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return ()


def module_command(module: str, *words: str, python: Sequence[str] = ()) -> list[str]:
    """``python -m MODULE WORDS`` with the Python that runs this, or with the one that these words start."""
    return [*(python or [sys.executable]), "-m", module, *words]


class Watch:
    """Holds a process and its descendants against their limits, from now on.

    Args:
        pid: the process.
        limits: for what it does from now on.

    Attributes:
        peak_memory_bytes: resident memory of the largest of them so far; 0 where the system does not tell.
    """

    def __init__(self, pid: int, limits: Limits) -> None:
        self._pid, self._limits = pid, limits
        self._began = time.monotonic()
        self._before, _ = _usage(pid)
        self.peak_memory_bytes = 0

    @property
    def seconds(self) -> float:
        """Since it began, by the clock."""
        return time.monotonic() - self._began

    def exceeded(self) -> str | None:
        """Which limit was passed and by what, in words; None while all hold."""
        busy, resident = _usage(self._pid)
        busy = max(0.0, busy - self._before)
        self.peak_memory_bytes = max(self.peak_memory_bytes, resident)
        limits = self._limits
        if busy > limits.seconds:
            return f"stopped after {busy:.0f} s of processor time; the limit is {limits.seconds:g} s"
        if self.seconds > limits.wall:
            return f"stopped after {self.seconds:.0f} s by the clock, in which it used {busy:.0f} s of processor time"
        if self.peak_memory_bytes > limits.memory_bytes:
            used, most = (size / 2**30 for size in (self.peak_memory_bytes, limits.memory_bytes))
            return f"stopped at {used:.1f} GiB of memory; the limit is {most:.1f} GiB"
        return None


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its exit code, negative for the signal that killed it.
        stopped: which limit it passed, in words; None where it ended by itself.
        said: the last lines that it printed, joined.
        seconds: from its start, by the clock.
        peak_memory_bytes: resident memory of the largest of it and its descendants, as far as it was looked at.
    """

    code: int
    stopped: str | None
    said: str
    seconds: float
    peak_memory_bytes: int

    def __str__(self) -> str:
        """``ended with exit code 3; it said: …``, ``was killed by SIGSEGV (signal 11)``, ``was stopped after …``."""
        if self.stopped is not None:
            return f"was {self.stopped}"
        return f"{outcome_of(self.code)}{f'; it said: {self.said}' if self.said else ''}"


def outcome_of(code: int) -> str:
    """An exit code in words; a negative one is the signal's."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"was killed by signal {-code}"
    return f"was killed by {name} (signal {-code})" + (
        ", as the system does when memory runs out" if name == "SIGKILL" else ""
    )


class Process(Protocol):
    """A process that runs, however it was started."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes]] | None:
        """Its stdin and stdout, where they are pipes to here."""
        ...

    @property
    def processor_s(self) -> float | None:
        """Processor time of it and of those it waited for, once it has ended; None where the system does not tell."""
        ...

    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit code, negative for a signal; None while it still runs after so many seconds."""
        ...


@dataclass(frozen=True)
class Launch:
    """What is to become a process.

    Attributes:
        command: its words.
        env: its environment.
        folder: where it runs; None: here.
        stdin: descriptor that it gets as its input; None: an empty one.
        output: descriptor for what it prints.
        talks: whether its stdin and stdout are pipes to here instead.
    """

    command: Sequence[str]
    env: dict[str, str]
    folder: str | None
    stdin: int | None
    output: int
    talks: bool


Start = Callable[[Launch], Process]
"""Starts a process, in a group of its own; raises OSError where it cannot."""


class _Spawned:
    """A process that the system has started afresh."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid
        self.processor_s: float | None = None

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes]] | None:
        stdin, stdout = self._process.stdin, self._process.stdout
        return None if stdin is None or stdout is None else (stdin, stdout)

    def wait(self, seconds: float | None = None) -> int | None:
        process = self._process
        if seconds is None:
            self._look(wait=True)
            return process.wait()
        if self._polled() is None:
            if hasattr(os, "pidfd_open"):
                number = os.pidfd_open(process.pid)
                try:
                    select.select([number], [], [], seconds)
                finally:
                    os.close(number)
            else:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
        return self._polled()

    def _polled(self) -> int | None:
        self._look(wait=False)
        return self._process.poll()

    def _look(self, *, wait: bool) -> None:
        """See what it has used, between its end and its being waited for."""
        if self._process.returncode is not None or not hasattr(os, "waitid"):
            return
        options = os.WEXITED | os.WNOWAIT | (0 if wait else os.WNOHANG)
        with contextlib.suppress(ChildProcessError):
            if os.waitid(os.P_PID, self.pid, options) is not None:
                self.processor_s = _processor_s(self.pid, WITH_CHILDREN)


def spawn(launch: Launch) -> Process:
    """Start a process afresh, in a session of its own.

    Raises:
        OSError: it cannot be started.
    """
    process = subprocess.Popen(
        list(launch.command),
        env=launch.env,
        cwd=launch.folder,
        stdin=subprocess.PIPE if launch.talks else subprocess.DEVNULL if launch.stdin is None else launch.stdin,
        stdout=subprocess.PIPE if launch.talks else launch.output,
        stderr=launch.output,
        start_new_session=True,
    )
    return _Spawned(process)


class Child:
    """A process in a group of its own, to be used in a ``with`` block: nothing of it is left behind the block.

    Args:
        command: its words.
        threads: what its known thread pools are held to.
        log: file that keeps what it prints; None: kept until the block ends.
        talks: whether its stdin and stdout are pipes to be written and read; else it has no input, and prints.
        stdin: descriptor that it gets as its input, where it does not talk.
        folder: where it runs; None: here.
        start: how it comes to be.
        stands: it is there to be forked, and waits when it has begun.

    Raises:
        ProcessError: it cannot be started.

    Attributes:
        pid: its number.
        spawned_monotonic_ns: when it was started, by the system's monotonic clock.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        threads: int = 1,
        log: Path | None = None,
        talks: bool = False,
        stdin: int | None = None,
        folder: str | None = None,
        start: Start = spawn,
        stands: bool = False,
    ) -> None:
        self._among = started_here()
        if self._among is not None:
            self._among.check()
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
        self._printed: IO[bytes] = log.open("w+b") if log is not None else tempfile.TemporaryFile()  # noqa: SIM115
        self._passed_on = 0
        if log is None:  # what is cut off at its beginning is gone on with there
            number = self._printed.fileno()
            fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) | os.O_APPEND)
        self._stands = stands
        self._running = begun(Path(command[0]).name if "-m" not in command[:3] else command[2], stands=stands)
        self.spawned_monotonic_ns = time.monotonic_ns()
        try:
            self._process = start(
                Launch(
                    command=command,
                    env=environment(threads),
                    folder=folder if folder is not None and Path(folder).is_dir() else None,
                    stdin=stdin,
                    output=self._printed.fileno(),
                    talks=talks,
                )
            )
        except OSError as error:
            self._printed.close()
            raise ProcessError(f"{command[0]} could not be started: {error.strerror or error}") from error
        self.pid = self._process.pid
        if self._among is not None:
            self._among.add(self.pid)

    @property
    def stdin(self) -> IO[bytes]:
        """Its input, where it talks."""
        assert self._process.pipes is not None
        return self._process.pipes[0]

    @property
    def stdout(self) -> IO[bytes]:
        """Its output, where it talks."""
        assert self._process.pipes is not None
        return self._process.pipes[1]

    def said(self) -> str:
        """The last lines that it printed."""
        number = self._printed.fileno()
        printed = os.pread(number, TAIL_BYTES, max(0, os.fstat(number).st_size - TAIL_BYTES))
        lines = printed.decode(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines[-TAIL_LINES:] if line.strip())

    def printed(self) -> bytes:
        """What it has printed since this was asked last. Of one that prints for days little is kept."""
        number = self._printed.fileno()
        size = os.fstat(number).st_size
        found = os.pread(number, size - self._passed_on, self._passed_on)
        self._passed_on += len(found)
        if self._passed_on > PASSED_ON_BYTES:
            os.ftruncate(number, 0)
            self._passed_on = 0
        return found

    def wait(self, limits: Limits | None = None) -> Ended:
        """Wait for its end; it is stopped, with all it started, when it passes a limit.

        Raises:
            Stopped: the work that it is part of was interrupted.
        """
        watch = Watch(self.pid, limits or Limits(seconds=float("inf")))
        while (code := self._process.wait(POLL_SECONDS)) is None:
            stopped = watch.exceeded()
            if stopped is not None:
                return self.stopped(stopped, watch)
        if self._among is not None:
            self._among.check()
        return Ended(code, None, self.said(), watch.seconds, watch.peak_memory_bytes)

    def stopped(self, reason: str, watch: Watch) -> Ended:
        """Stop it for having passed a limit, which ``watch`` saw."""
        return Ended(self.stop(), reason, self.said(), watch.seconds, watch.peak_memory_bytes)

    def stop(self, *, grace_s: float = 0.0) -> int:
        """End it and all it started: with SIGTERM first where it is given time, then with SIGKILL.

        Returns:
            its exit code.
        """
        if grace_s and self._process.wait(0) is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            self._process.wait(grace_s)
        kill_group(self.pid)
        code = self._process.wait()
        assert code is not None
        return code

    def close(self) -> None:
        """Stop it, and let go of what it printed."""
        pipes = self._process.pipes
        if pipes is not None:
            with contextlib.suppress(OSError):
                pipes[0].close()
        own_s = _processor_s(self.pid, OWN) if self._stands and self._running is not None else None
        self.stop()
        if self._running is not None:
            self._running.ended(own_s if self._stands else self._process.processor_s)
            self._running = None
        if self._among is not None:
            self._among.remove(self.pid)
        if pipes is not None:
            pipes[1].close()
        self._printed.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _usage(pid: int) -> tuple[float, int]:
    """Processor seconds of a process and its descendants, those it has waited for included; resident bytes of the
    largest of them. Zeros where it is gone."""
    import psutil

    seconds, resident = 0.0, 0
    for member in _family(pid):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(member)
            times = process.cpu_times()
            seconds += times.user + times.system
            if hasattr(times, "children_user"):
                seconds += times.children_user + times.children_system
            resident = max(resident, process.memory_info().rss)
    return seconds, resident


def _processor_s(pid: int, fields: slice) -> float | None:
    """Processor time of a process that was not waited for yet; None where the system does not tell."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    return sum(map(int, told[fields])) / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[int]:
    """A process and its descendants. Linux lists children; to look through all processes costs a hundred times more,
    and this is asked beside measurements."""
    lists = list(Path(f"/proc/{pid}/task").glob("*/children"))
    if not lists:
        import psutil

        with contextlib.suppress(psutil.Error):
            return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        return [pid]
    found = [pid]
    for listed in lists:
        with contextlib.suppress(OSError):
            for child in listed.read_text().split():
                found += _family(int(child))
    return found


def kill_group(pid: int) -> None:
    """Kill a process that leads a group, and its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def ask(
    command: Sequence[str], *, timeout_s: float, given: IO[bytes] | None = None, into: IO[bytes] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a program of the system's to its end, such as ``adb devices``, in this process's own environment.

    Args:
        command: its words.
        timeout_s: after which it is stopped.
        given: a file for its standard input; None: none.
        into: a file for what it prints; None: it is kept.

    Raises:
        ProcessError: it is not there, cannot be run, or is silent too long.
    """
    try:
        return subprocess.run(
            list(command),
            stdin=given or subprocess.DEVNULL,
            stdout=into or subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProcessError(f"{command[0]} gave no answer: {error}") from error
