"""``phase1_samples.json``: which samples the run stands on."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgeproof.documents.base import Document, Value
from edgeproof.documents.signature import Signature
from edgeproof.documents.task import MetricSpec

__all__ = [
    "HELD_OUT_FILE",
    "REPRESENTATIVE_FOLDER",
    "SAYS_NOTHING",
    "Check",
    "HeldOut",
    "HeldOutSource",
    "SampleSource",
    "SamplesDocument",
]

HELD_OUT_FILE = "phase3_heldout.npz"
"""The held-out samples in the run folder."""
REPRESENTATIVE_FOLDER = "rep_samples"
"""The representative samples in the run folder, one file a sample."""
SAYS_NOTHING = frozenset({"silent", "always-on", "constant-output", "chance"})
"""Names of the checks after which agreement with the model is no evidence."""
SampleSource = Literal["model", "user", "synthetic"]
HeldOutSource = Literal["model", "user", "representative"]
"""``representative``: no held-out split was given, the representative samples serve for both."""


class Check(Value, frozen=True, kw_only=True):
    """One check on the samples."""

    name: str
    status: Literal["ok", "warning", "failed"]
    detail: str


class HeldOut(Value, frozen=True, kw_only=True):
    """The samples that validation and the task score use."""

    count: int
    labelled: bool
    source: HeldOutSource
    file: str
    """npz in the run folder: one key per input, sample axis first, and ``labels``."""


class SamplesDocument(Document, frozen=True, kw_only=True):
    """Phase 1: representative samples for quantisation, and the held-out ones."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.samples", 1)
    FILE: ClassVar[str] = "phase1_samples.json"

    signature: Signature
    source: SampleSource
    origin: str
    """Where they come from, in words or as a path."""
    folder: str
    count: int
    labelled: bool
    seed: int | None
    per_class: dict[str, int]
    synthetic: bool
    under_sampled: bool
    """Fewer than 200: int8 results cannot pass."""
    checks: tuple[Check, ...]
    held_out: HeldOut
    metric: MetricSpec | None = None
    """What the task is scored by; None: nothing is scored."""
