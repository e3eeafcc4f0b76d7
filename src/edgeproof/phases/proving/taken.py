"""How hard a candidate is proved, and what was measured of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgeproof.client.capacity import Bound
from edgeproof.client.report import ClientReport
from edgeproof.client.wire import Codec
from edgeproof.documents.latency import Capacity, OverNetwork
from edgeproof.serve.spawned import SpawnedServer

__all__ = ["CODEC", "Proof", "Taken"]

CODEC: Codec = "binary"
"""How tensors go over the wire: a phone that sends an image as JSON waits longer for the text than for the answer."""


@dataclass(frozen=True)
class Proof:
    """How hard to prove a candidate.

    Attributes:
        requests: measured requests, at least; over each network too.
        cold_starts: fresh server processes, at most (``proving/cold``).
        threads: of the runtime.
        timeout_s: for a server to be ready, and for one answer.
        trust: whether artifacts that this user did not make may run code.
        networks: names of profiles to drive over as well.
        bound: whose capacity is searched; None: none.
    """

    requests: int = 100
    cold_starts: int = 5
    threads: int = 1
    timeout_s: float = 120.0
    trust: bool = False
    networks: tuple[str, ...] = ()
    bound: Bound | None = None

    def server(self, artifact: Path) -> SpawnedServer:
        """A server of an artifact, to be entered."""
        return SpawnedServer(artifact, threads=self.threads, timeout_s=self.timeout_s, trust=self.trust)


@dataclass
class Taken:
    """What was measured of one candidate.

    Attributes:
        server: the one of its last cold start, which is kept for the steady state.
        missing: what else of it was to be measured and was not, and why.
        failure: why it is not served.
        partial: why its figures ended before their time.
    """

    candidate: str
    artifact: Path
    exec_to_first_ms: list[float] = field(default_factory=list)
    load_ms: list[float] = field(default_factory=list)
    first_inference_us: list[float] = field(default_factory=list)
    first_request_us: list[float] = field(default_factory=list)
    cold_starts_note: str | None = None
    server: SpawnedServer | None = None
    reports: list[ClientReport] = field(default_factory=list)
    networks: list[OverNetwork] = field(default_factory=list)
    capacity: Capacity | None = None
    missing: dict[str, str] = field(default_factory=dict)
    failure: str | None = None
    partial: str | None = None
