"""``phase4_batches.json``: the candidates made for several samples a call, and what a call and a sample then take."""

from __future__ import annotations

from typing import ClassVar

from edgeproof.documents.base import Document, Value
from edgeproof.documents.conversion import ConversionResult
from edgeproof.documents.environment import Machine
from edgeproof.documents.latency import Steady
from edgeproof.documents.validation import ValidationResult

__all__ = ["BatchResult", "BatchesDocument", "RefusedBatch"]


class RefusedBatch(Value, frozen=True, kw_only=True):
    """A size in which nothing could be made of the model."""

    batch: int
    reason: str
    remedy: str | None = None


class BatchResult(Value, frozen=True, kw_only=True):
    """One candidate in one size."""

    candidate: str
    """As the run has it for one sample a call."""
    batch: int
    """Samples a call; 1: the run's own artifact, measured beside the others."""
    conversion: ConversionResult | None = None
    """None: the run's own."""
    validation: ValidationResult | None = None
    """Against the eager model on the same samples, one by one. None where nothing was compared for this document."""
    steady: Steady | None = None
    """Per call."""
    threads: int | None = None
    starved: bool = False
    """Whether others took its processor while it was timed."""
    reason: str | None = None
    """Why it was not measured."""

    @property
    def per_sample_us(self) -> float | None:
        """Median time of a call over the samples in it."""
        return None if self.steady is None else self.steady.median_us / self.batch

    @property
    def samples_per_s(self) -> float | None:
        """Throughput of calls back to back, from their mean."""
        return None if self.steady is None or not self.steady.mean_us else 1e6 * self.batch / self.steady.mean_us

    @property
    def counts(self) -> bool:
        """Whether its times are of something that computes what the model does."""
        return (
            self.steady is not None
            and not self.starved
            and (self.validation is None or self.validation.status == "passed")
        )


class BatchesDocument(Document, frozen=True, kw_only=True):
    """Sizes of a batch on this host; verdicts are about one sample a call."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.batches", 1)
    FILE: ClassVar[str] = "phase4_batches.json"

    device: str
    machine: Machine
    asked: tuple[int, ...]
    results: tuple[BatchResult, ...]
    refused: tuple[RefusedBatch, ...] = ()
    left_out: dict[str, int] = {}
    """By size: held-out samples that fill no whole batch and were not compared."""
