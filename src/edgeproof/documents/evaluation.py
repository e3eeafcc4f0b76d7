"""``phase5_evaluation.json``: the policy held against the evidence."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgeproof.documents.activity import ActivityDocument
from edgeproof.documents.base import Document, Value
from edgeproof.documents.batches import BatchesDocument
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.delegation import DelegationDocument
from edgeproof.documents.device import DeviceClass, DeviceDocument
from edgeproof.documents.environment import EnvironmentDocument
from edgeproof.documents.latency import LatencySummary
from edgeproof.documents.manifest import Manifest
from edgeproof.documents.policy import PercentileName, PolicyValue
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.shipping import ShippingDocument
from edgeproof.documents.signature import Form
from edgeproof.documents.soak import SoakReport
from edgeproof.documents.task import MetricSpec
from edgeproof.documents.validation import ValidationDocument

__all__ = [
    "CandidateRow",
    "CandidateStatus",
    "Confidence",
    "Decision",
    "Dominated",
    "EvaluationDocument",
    "Evidence",
    "Front",
    "PointName",
    "PointState",
    "PolicyPoint",
    "ServedOffer",
    "Standing",
    "StandingStatus",
    "Verdict",
    "WouldChange",
]

CandidateStatus = Literal["passed", "failed", "error", "skipped", "not converted"]
Confidence = Literal["high", "medium", "low"]
Decision = Literal["sdk", "convert", "eager", "served", "none", "undecided"]
"""``eager``: PyTorch itself, as the model runs today; ``served``: from an edge server nearby."""
StandingStatus = Literal["meets", "open", "fails"]
PointName = Literal[
    "runs", "evidence", "difference", "cosine", "threshold", "saturation", "task", "slice", "samples", "size",
    "latency", "relative latency", "cold start", "power", "memory", "soak",
]  # fmt: skip
PointState = Literal["met", "not met", "unsupported", "not measured"]
"""``unsupported``: there are figures, but too few, taken under throttling or on a busy machine, or of a model that
tells nothing, so that they neither meet nor miss."""


class Evidence(Value, frozen=True, kw_only=True):
    """The documents of a run that an evaluation stands on; None where a phase has not written."""

    model: str
    folder: str
    """The run folder as commands name it."""
    manifest: Manifest | None = None
    environment: EnvironmentDocument | None = None
    samples: SamplesDocument | None = None
    latency: LatencySummary | None = None
    conversion: ConversionDocument | None = None
    validation: ValidationDocument | None = None
    delegation: DelegationDocument | None = None
    activity: ActivityDocument | None = None
    devices: tuple[DeviceDocument, ...] = ()
    shipping: ShippingDocument | None = None
    soaks: tuple[SoakReport, ...] = ()
    batches: BatchesDocument | None = None


class WouldChange(Value, frozen=True, kw_only=True):
    """A measurement that is missing, what it could turn the verdict into, and the command that makes it."""

    measurement: str
    effect: str
    command: str | None = None


class PolicyPoint(Value, frozen=True, kw_only=True):
    """One point of the policy held against one candidate on one device class."""

    name: PointName
    state: PointState
    text: str
    """What was seen and what the policy asks, with units."""
    needs_more: int = 0
    """Measurements that the percentile lacks."""
    value: float | None = None
    """The figure in the policy's unit."""
    limit: float | None = None
    """What the policy asks, in the same unit."""
    device: str | None = None
    """The device whose measurement decides the point, the worst of its class; None where it is of no device."""


class Standing(Value, frozen=True, kw_only=True):
    """One candidate against the policy: ``fails`` on a point that is not met, ``open`` while one is not known."""

    candidate: str
    sdk: bool
    status: StandingStatus
    points: tuple[PolicyPoint, ...]


class ServedOffer(Value, frozen=True, kw_only=True):
    """The model behind an edge server, the device as its client: what phase 2 measured, and a network between."""

    candidate: str
    server: str
    """The machine that served it in phase 2."""
    latency_ms: float
    """Client side over loopback, and the network's round trip; over a simulated network what its client saw."""
    network_ms: float
    percentile: PercentileName | None
    """Which one; None: the median, where the count supports no percentile."""
    state: PointState
    """Against the policy's latency."""
    network: str | None = None
    """The simulated network that it was measured over; None: the policy's round trip is added."""


class Verdict(Value, frozen=True, kw_only=True):
    """The recommendation for one device class."""

    device_class: DeviceClass
    decision: Decision
    candidate: str | None
    confidence: Confidence
    sentence: str
    """The whole verdict in one sentence, with its confidence."""
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    would_change: tuple[WouldChange, ...]
    standings: tuple[Standing, ...] = ()
    """Every candidate that ships to this device class, against the policy."""
    served: ServedOffer | None = None
    """For a phone on which nothing qualifies."""


class CandidateRow(Value, frozen=True, kw_only=True):
    """One line of the table of candidates: the evidence of all phases side by side; None is not measured."""

    candidate: str
    format: str
    precision: str
    form: Form
    status: CandidateStatus
    reason: str | None
    remedy: str | None
    relative_l2: float | None
    max_abs: float | None
    spike_agreement: float | None
    argmax_agreement: float | None
    task_score: float | None
    task_drop: float | None
    bytes: int | None
    p50_us: float | None
    p90_us: float | None
    median_us: float | None
    cold_start_ms: float | None
    peak_memory_bytes: int | None
    estimate: bool = False
    smallest_passing_tolerance: float | None = None
    tolerance: float | None = None
    """The tolerance that the validation applied."""
    platforms: tuple[DeviceClass, ...] = ()
    absent: dict[str, str] = {}
    """Why a figure is None: field name to reason."""
    ships: dict[DeviceClass, int] = {}
    """Bytes that ship to a device class: the artifact, its runtime and delegate libraries."""
    ships_unknown: dict[DeviceClass, str] = {}
    """Why that is not known, for a class that the candidate ships to."""
    memory_above_python_bytes: int | None = None
    """Peak memory less what the process had before it opened the artifact: runtime, artifact and samples at work."""


class Dominated(Value, frozen=True, kw_only=True):
    """A candidate that others are ahead of: clearly better in one figure, not clearly worse in any."""

    candidate: str
    by: tuple[str, ...]
    """Who is ahead of it, the one with the largest lead first."""
    text: str
    """By what the first of them is ahead, with figures."""


class Front(Value, frozen=True, kw_only=True):
    """The Pareto front of the candidates that passed validation, with the host's figures."""

    objectives: tuple[str, ...]
    """What they are compared by."""
    members: tuple[str, ...]
    dominated: tuple[Dominated, ...] = ()
    not_compared: dict[str, str] = {}
    """Candidates that passed and lack a figure, with the reason."""


class EvaluationDocument(Document, frozen=True, kw_only=True):
    """Phase 5."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.evaluation", 1)
    FILE: ClassVar[str] = "phase5_evaluation.json"

    model: str
    policy: PolicyValue
    policy_source: str
    verdicts: tuple[Verdict, ...]
    candidates: tuple[CandidateRow, ...]
    not_measured: dict[str, str]
    metric: MetricSpec | None = None
    """What the task is scored by."""
    front: Front | None = None
    """None where fewer than two candidates can be compared."""
