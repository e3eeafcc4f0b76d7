"""``phase5_evaluation.json``: the policy held against the evidence."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgeproof.documents.base import Document, Value
from edgeproof.documents.device import DeviceClass

__all__ = [
    "CandidateRow",
    "DifferenceLimits",
    "EvaluationDocument",
    "PolicyValue",
    "Verdict",
    "WouldChange",
]


class DifferenceLimits(Value):
    """Largest relative L2 per precision for real outputs; for spike outputs the share of equal counts at least."""

    fp32: float = 1e-3
    fp16: float = 1e-2
    int8: float = 0.1
    spike_agreement_fp32: float = 0.999
    spike_agreement_fp16: float = 0.98
    spike_agreement_int8: float = 0.80


class PolicyValue(Value):
    """The thresholds a verdict is held against. Defaults: the sentence in ``docs/policy.md``."""

    latency_percentile: Literal["p50", "p90", "p95", "p99"] = "p90"
    latency_ms: float = 10.0
    task_drop_points: float = 1.0
    power_mw: float | None = None
    """Mean power budget in milliwatts, or None for no budget."""
    memory_mb: float | None = None
    size_mb: float | None = None
    minimum_samples: int = 200
    prefer_sdk_for_spiking: bool = True
    difference: DifferenceLimits = DifferenceLimits()


class WouldChange(Value):
    """A measurement that is missing, what it could turn the verdict into, and the command that makes it."""

    measurement: str
    effect: str
    command: str | None = None


class Verdict(Value):
    """The recommendation for one device class."""

    device_class: DeviceClass
    decision: Literal["sdk", "convert", "none", "undecided"]
    candidate: str | None
    confidence: Literal["high", "medium", "low"]
    sentence: str
    """The whole verdict in one sentence, with its confidence."""
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    would_change: tuple[WouldChange, ...]


class CandidateRow(Value):
    """One line of the table of candidates: the evidence of all phases side by side; None is not measured."""

    candidate: str
    format: str
    precision: str
    form: str
    status: Literal["passed", "failed", "error", "skipped", "not converted"]
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


class EvaluationDocument(Document):
    """Phase 5."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.evaluation", 1)

    model: str
    policy: PolicyValue
    policy_source: str
    verdicts: tuple[Verdict, ...]
    candidates: tuple[CandidateRow, ...]
    not_measured: dict[str, str]
