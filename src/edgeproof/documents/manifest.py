"""``manifest.json``: what a run was asked to do, so that it can be resumed and reproduced."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgeproof.documents.base import Document, Value

__all__ = ["Manifest", "PhaseRecord", "RunOptions"]


class RunOptions(Value, frozen=True, kw_only=True):
    """The options of ``edgeproof run``."""

    model: str
    model_name: str
    inputs: tuple[str, ...] = ()
    samples: str | None = None
    held_out: str | None = None
    sample_count: int = 256
    seed: int = 0
    synthetic: bool = False
    policy: str | None = None
    candidates: tuple[str, ...] = ()
    """Empty: all."""
    devices: tuple[str, ...] = ()
    """Empty: the host."""
    requests: int = 100
    cold_starts: int = 5
    trust: bool = False
    limit_seconds: float = 300.0
    limit_memory_bytes: int = 8 << 30


class PhaseRecord(Value, frozen=True, kw_only=True):
    """One phase's progress."""

    name: str
    status: Literal["pending", "running", "done", "failed"]
    seconds: float | None = None
    reason: str | None = None


class Manifest(Document, frozen=True, kw_only=True):
    """The run's head document."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.manifest", 1)

    created: str
    edgeproof: str
    command: str
    working_directory: str
    options: RunOptions
    phases: tuple[PhaseRecord, ...]
