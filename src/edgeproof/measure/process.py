"""What a process uses: resident memory with its high-water mark, and processor time.

Memory comes from ``/proc/PID/status`` where there is one: ``VmHWM`` belongs to the program alone, while ``ru_maxrss``
of a fresh process starts at the size of the one that forked it. Processor time comes from ``schedstat`` where there is
one, in nanoseconds; the ticks of ``/proc/PID/stat`` are 10 ms, as long as a hundred requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

__all__ = ["Memory", "busy_seconds", "memory_of", "own_memory", "peak_memory_bytes"]


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


def memory_of(pids: Iterable[int]) -> Memory:
    """Memory of some processes together, each page of a library that they share counted in each; None where the system
    tells none of it."""
    seen = [_status_memory(pid) for pid in pids]
    resident = [memory.resident_bytes for memory in seen if memory.resident_bytes is not None]
    peaks = [memory.peak_bytes for memory in seen if memory.peak_bytes is not None]
    return Memory(sum(resident) if resident else None, sum(peaks) if peaks else None)


def busy_seconds(pids: Iterable[int]) -> float | None:
    """Processor time that some processes have used together; None where the system tells none of it."""
    import psutil

    total: float | None = None
    for pid in pids:
        fine = _scheduled_ns(pid)
        if fine is not None:
            total = (total or 0.0) + fine / 1e9
            continue
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.Error:
            continue
        total = (total or 0.0) + float(times.user + times.system)
    return total


def _scheduled_ns(pid: int) -> int | None:
    """Time on a processor of all the process's threads, in ns; None where the kernel does not count it."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks)
    except (OSError, ValueError, IndexError):
        return None
