"""``manifest.json``: what a run was asked to do, so that it can be resumed and reproduced."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import msgspec

from edgeproof.documents.base import Marked, Value
from edgeproof.documents.source import ModelSource, absolute_address

__all__ = ["NO_PROCESSORS", "Manifest", "PhaseRecord", "RunOptions"]


NO_PROCESSORS = ("none",)
"""Asks for no other processor than the machine's own."""


class RunOptions(Value, frozen=True, kw_only=True):
    """The options of ``edgeproof run``."""

    model: str
    model_name: str
    name: str | None = None
    """What the model was said to be called; None: as its factory, or its file, calls it."""
    inputs: tuple[str, ...] = ()
    samples: str | None = None
    held_out: str | None = None
    metric: str | None = None
    """What the task is scored by, in place of the model's own."""
    sample_count: int = 256
    seed: int = 0
    synthetic: bool = False
    policy: str | None = None
    candidates: tuple[str, ...] = ()
    """Empty: all."""
    devices: tuple[str, ...] = ()
    """Empty: the host."""
    processors: tuple[str, ...] = ()
    """To run every candidate on, by emulation; empty: those that round values on a usual one or two."""
    artifacts: tuple[str, ...] = ()
    """``NAME=PATH`` of candidates that were made elsewhere."""
    threads: tuple[int, ...] = ()
    """Counts of threads that each candidate is measured with; empty: one."""
    paces: tuple[float, ...] = ()
    """Seconds between the beginnings of calls that each candidate is measured at, beside back to back; empty: none."""
    hold: float | None = None
    """Seconds of load that each process of a measurement holds for a meter; None: none."""
    batches: tuple[int, ...] = ()
    """Samples a call to make and measure candidates with beside one; empty: none."""
    latency_ms: float | None = None
    """In place of the policy's."""
    requests: int = 100
    cold_starts: int = 5
    networks: tuple[str, ...] = ()
    """Profiles of networks that the local proof drives over as well; empty: none."""
    capacity: str | None = None
    """A bound such as ``p99=20ms``, whose highest rate the local proof looks for; None: it does not."""
    trust: bool = False
    quick: bool = False
    """A first look: the first precision of each format, on the host, with fewer counts; its verdict is labelled so, and
    its confidence never high."""
    jobs: int | None = None
    """What is no measurement at a time; None: as many as there are cores, and as the memory holds."""
    cache: bool = True
    """Whether conversions are taken from those that were made before, and left there."""
    limit_seconds: float = 300.0
    limit_memory_bytes: int = 8 << 30

    def absolute(self, folder: Path) -> RunOptions:
        """The same with every file and folder as an absolute path; relative ones start from ``folder``. A policy
        without a suffix is one that ships, by its name."""

        def placed(path: str | None) -> str | None:
            return None if path is None else str(folder / path)

        return msgspec.structs.replace(
            self,
            model=absolute_address(self.model, folder),
            artifacts=tuple(f"{name}={placed(path)}" for name, _, path in (a.partition("=") for a in self.artifacts)),
            samples=placed(self.samples),
            held_out=placed(self.held_out),
            policy=placed(self.policy) if self.policy and Path(self.policy).suffix else self.policy,
        )

    def source(self, folder: str | None = None) -> ModelSource:
        """The model of the run; ``folder`` is where it is at home."""
        return ModelSource(
            model=self.model,
            inputs=self.inputs,
            samples=self.samples,
            metric=self.metric,
            name=self.name,
            trust=self.trust,
            folder=folder,
        )


class PhaseRecord(Value, frozen=True, kw_only=True):
    """One phase's progress."""

    name: str
    status: Literal["pending", "running", "done", "failed"]
    seconds: float | None = None
    reason: str | None = None
    stands: tuple[str, ...] = ()
    """Of devices that are measured for further candidates: those whose measurements stand."""


class Manifest(Marked, frozen=True, kw_only=True):
    """The run's head document. Its mark covers what leads to code: the model, and everything else that was asked."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.manifest", 1)
    FILE: ClassVar[str] = "manifest.json"
    UNMARKED: ClassVar[tuple[str, ...]] = ("phases",)

    created: str
    edgeproof: str
    command: str
    working_directory: str
    options: RunOptions
    phases: tuple[PhaseRecord, ...]
