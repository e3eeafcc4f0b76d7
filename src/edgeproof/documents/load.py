"""How a server was driven: by how many phones, over which network, for how long, and what others make of it."""

from __future__ import annotations

from edgeproof.documents.base import Value

__all__ = ["AsBefore", "Load", "NetworkProfile", "Scenario", "Shaping", "UsePoint"]


class UsePoint(Value, frozen=True, kw_only=True):
    """What the server's processes used around one time, all of them together."""

    seconds: float
    """Since the first measured request was due."""
    cpu_percent: float | None
    """Of one core, since the point before."""
    memory_bytes: int | None
    """Resident."""


class NetworkProfile(Value, frozen=True, kw_only=True):
    """A network between a phone and the server, in numbers; ``up`` is from the phone."""

    name: str
    delay_ms: float
    """One way, the same in both directions."""
    jitter_ms: float
    """Standard deviation of the delay, normal, cut off at 0."""
    loss: float
    """Share of packets that are lost, each way."""
    up_mbit_per_s: float | None
    """None: not limited."""
    down_mbit_per_s: float | None
    source: str
    """Where the numbers are from, and which of them are assumed."""


class Shaping(Value, frozen=True, kw_only=True):
    """How a network was made, and what it measured when nothing else went through it."""

    how: str
    """``none``, ``tc netem``, or ``user space``, with what that leaves out."""
    why: str | None
    """Why not ``tc netem``; None where it was, or where nothing is shaped."""
    round_trips_ms: tuple[float, ...] = ()
    """Of single bytes, one after the other."""
    round_trip_median_ms: float | None = None
    up_mbit_per_s: float | None = None
    """Measured over one connection; None where nothing is shaped."""
    down_mbit_per_s: float | None = None


class Load(Value, frozen=True, kw_only=True):
    """How the phones called."""

    phones: int = 1
    processes: int = 1
    """Of the client, that the phones were spread over."""
    arrivals: str = "closed loop"
    """``closed loop``, ``constant`` or ``poisson``; with the last two latency counts from the intended send time."""
    rate_per_s: float | None = None
    """Of all phones together."""
    pace_s: float | None = None
    think_s: float | None = None
    codec: str = "json"
    transport: str = "http"
    connections: str = "kept"
    """``kept``, or ``one a request``."""


class Scenario(Value, frozen=True, kw_only=True):
    """A scenario of MLPerf Inference, driven and judged by its own load generator."""

    scenario: str
    verdict: str
    """``VALID`` or ``INVALID``, as it says."""
    version: str
    errors: int
    """Requests without a right answer: its own log knows none, and counts them as answered."""
    reasons: tuple[str, ...]
    """What it says of why the result is not valid, and what to do."""
    figures: dict[str, str]
    """Of its summary, as they stand there: name to value."""
    settings: dict[str, str]
    """Its parameters, as they stand there; a submission needs its official ones."""
    log: str
    """Its own log, in the folder of raw values; empty where it was not kept."""


class AsBefore(Value, frozen=True, kw_only=True):
    """Figures made as reports of another kind make them, to be held against those alone: 100 requests, the cold start
    among them, plain percentiles of a sample."""

    requests: int
    cold_start_included: bool
    mean_ms: float
    p50_ms: float
    p95_ms: float
    note: str
