"""Latency as it is written down, and ``phase2_latency_summary.json``. Raw samples stand in files beside."""

from __future__ import annotations

from typing import ClassVar

from edgeproof.documents.base import Document, Value
from edgeproof.documents.environment import Machine
from edgeproof.documents.load import AsBefore, Load, NetworkProfile, Scenario, Shaping, UsePoint

__all__ = [
    "Capacity",
    "CapacityStep",
    "ColdStart",
    "LatencySummary",
    "OverNetwork",
    "Percentile",
    "ProcessUse",
    "Served",
    "Steady",
    "starved",
]


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


class CapacityStep(Value, frozen=True, kw_only=True):
    """One rate that was tried."""

    rate_per_s: float
    answered: int
    errors: int
    percentile: Percentile
    """The one that is bounded."""
    median_us: float
    held: bool
    """Whether the percentile was supported and under the bound, with no error, and the rate was nearly achieved."""
    achieved_per_s: float
    """Answers over the seconds that it took: below the rate where a queue grew."""


class Capacity(Value, frozen=True, kw_only=True):
    """The highest Poisson rate at which a percentile stayed under a bound, by bracketing and bisection."""

    percentile: str
    bound_us: float
    rate_per_s: float | None
    """The highest one that held; None where none did."""
    fails_at_per_s: float | None
    """The lowest one that did not hold; None where the search ended at its cap."""
    tolerance: float
    """The search ends when the two are as close as this share."""
    steps: tuple[CapacityStep, ...]
    phones: int = 1
    reason: str | None = None
    """Why there is no rate, or why it is a lower bound, or that the search was interrupted."""


class OverNetwork(Value, frozen=True, kw_only=True):
    """The same server over one network."""

    profile: NetworkProfile
    shaping: Shaping
    load: Load
    requests: int
    errors: int
    retries: int
    sent_bytes: int
    """By all phones, heads included."""
    received_bytes: int
    connections: int
    """That were opened."""
    first_request: Steady | None
    """Of each phone the first one, its connection's opening included: no warm-up, one value a phone."""
    steady: Steady | None
    """None where no request was answered."""
    server: ProcessUse
    use_over_time: tuple[UsePoint, ...] = ()
    late: Steady | None = None
    """With intended send times: how late requests left a phone that was free, the client's own share."""
    capacity: Capacity | None = None
    first_error: str | None = None
    partial: str | None = None
    """Why it ended before its time."""


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
    first_request_us: tuple[float, ...] = ()
    """The first request of each freshly started server, from connecting to the answer parsed."""
    cold_starts_note: str | None = None
    """Why so many cold starts were made, where fewer were than asked for."""
    first_error: str | None = None
    """What the first request that failed met."""
    load: Load | None = None
    retries: int = 0
    sent_bytes: int | None = None
    received_bytes: int | None = None
    use_over_time: tuple[UsePoint, ...] = ()
    capacity: Capacity | None = None
    scenario: Scenario | None = None
    as_before: AsBefore | None = None
    networks: tuple[OverNetwork, ...] = ()
    """The same over networks between, in the order that was asked for; ``steady`` has none between."""
    partial: str | None = None
    """Why it ended before its time; None where it is whole."""


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
