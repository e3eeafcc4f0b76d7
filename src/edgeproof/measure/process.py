"""What a process uses: resident memory with its high-water mark, and processor time.

Memory comes from ``/proc/PID/status`` where there is one: ``VmHWM`` belongs to the program alone, while ``ru_maxrss``
of a fresh process starts at the size of the one that forked it. Processor time comes from ``schedstat`` where there is
one, in nanoseconds; the ticks of ``/proc/PID/stat`` are 10 ms, as long as a hundred requests.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from edgeproof.documents.latency import ProcessUse

__all__ = ["ProcessSampler", "own_memory", "peak_memory_bytes"]


class Memory(NamedTuple):
    """Resident memory in bytes, now and at its highest; None where the system does not tell."""

    resident_bytes: int | None
    peak_bytes: int | None


def _status_memory(pid: int | str) -> Memory:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return Memory(None, None)
    fields = {
        name: int(kilobytes) * 1024 for name, kilobytes in re.findall(r"^(Vm\w+):\s*(\d+) kB", status, re.MULTILINE)
    }
    return Memory(fields.get("VmRSS"), fields.get("VmHWM"))


def own_memory() -> Memory:
    """This process's memory; without ``/proc`` the peak comes from ``getrusage``."""
    memory = _status_memory("self")
    if memory.peak_bytes is not None:
        return memory
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Memory(memory.resident_bytes, peak)


def peak_memory_bytes(pid: int) -> int | None:
    """The high-water mark of another process's resident memory, or None where the system does not tell."""
    return _status_memory(pid).peak_bytes


def _scheduled_ns(pid: int) -> int | None:
    """Time on a processor of all the process's threads, in ns; None where the kernel does not count it."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks)
    except (OSError, ValueError, IndexError):
        return None


class ProcessSampler:
    """Processor time and peak memory of a running process, from ``start`` to ``stop``.

    Args:
        pid: the process; its children are not counted.
    """

    def __init__(self, pid: int) -> None:
        import psutil

        self._gone = psutil.Error
        self._pid = pid
        self._started: tuple[float, float] | None = None
        self._seconds = 0.0
        self._busy_seconds = 0.0
        try:
            self._process: psutil.Process | None = psutil.Process(pid)
        except psutil.Error:
            self._process = None

    def __enter__(self) -> ProcessSampler:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin a stretch that counts."""
        busy = self._busy()
        self._started = None if busy is None else (time.perf_counter(), busy)

    def stop(self) -> None:
        """End the stretch; stretches add up. A process that is gone ends it without a figure."""
        busy = self._busy()
        if self._started is None or busy is None:
            return
        self._seconds += time.perf_counter() - self._started[0]
        self._busy_seconds += busy - self._started[1]
        self._started = None

    def use(self) -> ProcessUse:
        """Processor use in percent of one core over the stretches, and the peak memory until now."""
        return ProcessUse(
            cpu_percent=round(100 * self._busy_seconds / self._seconds, 1) if self._seconds > 0 else None,
            peak_memory_bytes=peak_memory_bytes(self._pid),
        )

    def _busy(self) -> float | None:
        """Seconds of processor time that the process has used."""
        if self._process is None:
            return None
        fine = _scheduled_ns(self._pid)
        if fine is not None:
            return fine / 1e9
        try:
            times = self._process.cpu_times()
        except self._gone:
            return None
        return float(times.user + times.system)
