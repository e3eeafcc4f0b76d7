"""``phase3_conversion.json``: what each conversion gave."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgeproof.documents.artifact import Rewrite
from edgeproof.documents.base import Document, Value
from edgeproof.documents.signature import Form

__all__ = ["ConversionDocument", "ConversionResult", "Outcome"]

Outcome = Literal["ok", "failed", "skipped"]
"""How a step of a candidate ended: a conversion, a measurement."""


class ConversionResult(Value, frozen=True, kw_only=True):
    """One candidate's conversion."""

    candidate: str
    format: str
    precision: str
    form: Form
    status: Outcome
    lacking: tuple[str, ...] = ()
    """Packages that are not installed, for which it was skipped."""
    sdk: bool = False
    """Whether the candidate runs the model with our own engine instead of another's."""
    eager: bool = False
    """Whether it is PyTorch itself, as the model runs today."""
    artifact: str | None = None
    """Path of the artifact: relative to the run folder in a run, as given by ``--out`` otherwise."""
    bytes: int | None = None
    seconds: float | None = None
    cached: str | None = None
    """When it was made, ISO 8601 in UTC, where it was made before of the same program, samples and versions and was
    taken from the cache, held against its hashes; ``seconds`` are those that it took then. None: it was made anew."""
    peak_memory_bytes: int | None = None
    sha256: str | None = None
    reason: str | None = None
    remedy: str | None = None
    operator: str | None = None
    """The operator of the model that the format does not take, where the failure is about one."""
    detail: str | None = None
    """What the converter itself said of it."""
    rewrites: tuple[Rewrite, ...] = ()
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    log: str | None = None
    """What the conversion printed; a path like the artifact's."""


class ConversionDocument(Document, frozen=True, kw_only=True):
    """Phase 3, first half."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.conversion", 1)
    FILE: ClassVar[str] = "phase3_conversion.json"

    model: str
    limit_seconds: float
    limit_memory_bytes: int
    candidates: tuple[ConversionResult, ...]
