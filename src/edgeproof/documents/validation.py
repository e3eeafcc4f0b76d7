"""``phase3_validation.json``: every artifact's outputs held against the eager reference."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgeproof.documents.base import Document, Value
from edgeproof.documents.device_class import DeviceClass
from edgeproof.documents.signature import Form, OutputKind
from edgeproof.documents.task import SHARE, MetricSpec, SliceScore, TaskScore

__all__ = [
    "Agreement",
    "Differences",
    "OnProcessor",
    "SpikeDifference",
    "Status",
    "ValidationDocument",
    "ValidationResult",
    "Variant",
]

Status = Literal["passed", "failed", "error", "skipped"]


Agreement = Literal["same bits", "within tolerance", "wrong", "does not run", "not run"]
"""What an artifact does on another processor than this machine's."""


class SpikeDifference(Value, frozen=True, kw_only=True):
    """How spike counts differ, over all neurons and samples of an output."""

    count_mean_abs: float
    count_max_abs: float
    agreement: float
    """Share of (sample, neuron) pairs with equal counts, 0..1."""


class Differences(Value, frozen=True, kw_only=True):
    """Differences of one output, or the worst over all outputs. Formulas: ``edgeproof.differences.outputs``."""

    name: str | None = None
    kind: OutputKind = "real"
    max_abs: float | None
    l2_mean: float | None
    """Mean over samples of the L2 norm of the difference."""
    l2_max: float | None
    relative_l2: float | None
    """L2 norm of all differences over L2 norm of all reference values."""
    cosine_min: float | None
    snr_db: float | None
    """10 log10(sum ref² / sum diff²); None when the difference is exactly zero."""
    argmax_agreement: float | None
    smallest_passing_tolerance: float | None
    """The smallest relative-L2 (spikes: count error) threshold that would have passed."""
    spikes: SpikeDifference | None = None
    threshold: float | None = None
    """What ``threshold_agreement`` is about."""
    threshold_agreement: float | None = None
    """Share of values on the same side of it as the eager model's, 0..1."""
    saturation: float | None = None
    """Share of values that are the candidate's largest or smallest while the eager model's lie beyond, 0..1."""


class Variant(Value, frozen=True, kw_only=True):
    """The same artifact computed another way, such as with sums rounded after every term."""

    name: str
    samples: int
    """How many samples were compared, the first ones."""
    differences: Differences | None = None
    """Against the eager reference; the worst over all outputs."""
    spread: Differences | None = None
    """Against the artifact computed the usual way, on the same samples; the worst over all outputs."""
    warning: str | None = None
    """What depends on the way of computing, or why it could not be told."""
    against: tuple[DeviceClass, ...] = ()
    """Classes of devices that may compute this way, where it does not pass: there the candidate's pass is no proof."""


class OnProcessor(Value, frozen=True, kw_only=True):
    """The same artifact in its runtime on another processor, by emulation: outputs, and never times.

    It is opened as a server opens it. ``same bits`` and ``within tolerance`` have outputs that pass; the first are
    equal to those of such a session on this machine. ``not run`` says nothing of the artifact, and why.
    """

    processor: str
    title: str
    """Who has such a processor."""
    agreement: Agreement
    classes: tuple[DeviceClass, ...] = ()
    """Of devices whose outputs such a processor speaks for."""
    samples: int = 0
    """How many were run, the first ones."""
    differences: Differences | None = None
    """Against the eager reference; the worst over all outputs."""
    spread: Differences | None = None
    """Against this machine's outputs on the same samples; the worst over all outputs."""
    reason: str | None = None
    """Why it is wrong, or was not run."""
    remedy: str | None = None

    @property
    def speaks_against(self) -> bool:
        """Whether a user there gets wrong numbers or none."""
        return self.agreement in ("wrong", "does not run")


class ValidationResult(Value, frozen=True, kw_only=True):
    """One candidate's verdict on its numbers. ``skipped``: it cannot run here, and ``reason`` says why."""

    candidate: str
    artifact: str | None
    status: Status
    reason: str | None = None
    format: str | None = None
    precision: str | None = None
    form: Form | None = None
    tolerance: float | None = None
    """The threshold that was applied to ``smallest_passing_tolerance``."""
    differences: Differences | None = None
    task_score: float | None = None
    task_drop: float | None = None
    """What is lost against the eager model: in the metric's unit, percentage points for a share."""
    task: TaskScore | None = None
    """Both with the interval of what is lost."""
    slices: tuple[SliceScore, ...] = ()
    """The same of every class and every slice of the samples."""
    outputs: tuple[Differences, ...] = ()
    checked_by: str | None = None
    """What ran it in the place of its own runtime; None when its own runtime did."""
    variants: tuple[Variant, ...] = ()
    processors: tuple[OnProcessor, ...] = ()
    """What it does on other processors than this machine's."""
    outweighed: str | None = None
    """The difference that misses its limit, where a task score on real, held-out labels is within the policy's."""
    warnings: tuple[str, ...] = ()
    """What a reader should look into though the limits are met."""
    structure: tuple[str, ...] = ()
    """Structural checks that were made on an artifact that cannot run here."""
    faults: tuple[str, ...] = ()
    """What is wrong of the artifact whatever its outputs are: constants that are not those of the model."""


class ValidationDocument(Document, frozen=True, kw_only=True):
    """Phase 3, second half."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.validation", 1)
    FILE: ClassVar[str] = "phase3_validation.json"

    model: str
    samples: int
    """How many samples were compared."""
    sample_source: str
    task: str | None
    """Name of the metric (``accuracy``), or None where nothing is scored."""
    reference_score: float | None
    results: tuple[ValidationResult, ...]
    metric: MetricSpec | None = None
    not_emulated: dict[str, str] = {}
    """Processors that nothing was run on, and what is lacking for it."""

    @property
    def scored_by(self) -> MetricSpec | None:
        """The metric; where a document only names it, a share of that name. None: nothing is scored."""
        return self.metric or (MetricSpec(name=self.task, unit=SHARE) if self.task is not None else None)
