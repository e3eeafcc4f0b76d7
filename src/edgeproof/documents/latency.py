"""Latency as it is written down, and ``phase2_latency_summary.json``. Raw samples stand in files beside."""

from __future__ import annotations

from typing import ClassVar

from edgeproof.documents.base import Document, Value
from edgeproof.documents.environment import Machine

__all__ = ["ColdStart", "LatencySummary", "Percentile", "ProcessUse", "Served", "Steady", "starved"]


WHOLE_CORE_PERCENT = 90.0
"""Of a core: what a process has, at least, that computes without a pause on a machine with nothing else to do."""


def starved(cpu_percent: float | None) -> bool:
    """Whether a process that worked without a pause had less than a core."""
    return cpu_percent is not None and cpu_percent < WHOLE_CORE_PERCENT


class Percentile(Value, frozen=True, kw_only=True):
    """A percentile in µs, or None with how many more samples it needs (early-stopping rule of MLPerf LoadGen, 99 %)."""

    value_us: float | None
    needs_more: int = 0


class Steady(Value, frozen=True, kw_only=True):
    """Steady state after warm-up, µs."""

    count: int
    warmup: int
    min_us: float
    mean_us: float
    max_us: float
    median_us: float
    """Sample median, for ratios and plots; ``p50`` is the one that is supported at 99 % confidence."""
    p50: Percentile
    p90: Percentile
    p95: Percentile
    p99: Percentile
    raw: str
    """JSON file of all values in µs, in order."""


class ColdStart(Value, frozen=True, kw_only=True):
    """Process exec to first result, each in a fresh process."""

    processes: int
    exec_to_first_ms: tuple[float, ...]
    load_ms: tuple[float, ...]
    """Time to open the artifact alone."""
    first_inference_us: tuple[float, ...]
    median_ms: float


class ProcessUse(Value, frozen=True, kw_only=True):
    """What the process used while it was measured."""

    cpu_percent: float | None
    """Of one core, over the steady state."""
    peak_memory_bytes: int | None
    """High-water mark of resident memory: the interpreter, its packages, the runtime, the artifact and the samples at
    work."""
    baseline_memory_bytes: int | None = None
    """Resident memory of the same process before it opened the artifact: the interpreter and its packages."""

    @property
    def starved(self) -> bool:
        """Whether others took its processor while it worked without a pause: its times are not its own."""
        return starved(self.cpu_percent)


class Served(Value, frozen=True, kw_only=True):
    """One candidate behind the edge server, seen by the client."""

    candidate: str
    artifact: str
    requests: int
    errors: int
    cold_start: ColdStart | None
    """None when the client did not start the server itself."""
    steady: Steady
    """Client side: request sent to response parsed."""
    server_inference: Steady | None
    """Server side: the session's run alone, where the server tells it."""
    server: ProcessUse
    body_bytes: int
    threads: int
    client_cpus: tuple[int, ...]
    server_cpus: tuple[int, ...]
    degraded: str | None = None
    """Why its runtime has fallen back to slow kernels, as the server's answers say; None where it has not."""


class LatencySummary(Document, frozen=True, kw_only=True):
    """Phase 2. ``served`` holds the eager SDK first, then the best converted artifact."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.latency", 1)
    FILE: ClassVar[str] = "phase2_latency_summary.json"

    model: str
    url: str | None
    machine: Machine
    protocol: str
    transport: str
    served: tuple[Served, ...]
    not_measured: dict[str, str]
    """What was not measured, and why."""
