"""What a device is: a place where the runner runs, candidate by candidate, and what comes back.

A device measures; it writes no documents and judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgeproof.devices.runner_report import RunnerReport
from edgeproof.documents.device import DeviceClass
from edgeproof.documents.environment import Machine

__all__ = ["Device", "DeviceFactory", "Effort", "Measured", "Report", "Target"]

Report = Callable[[str], None]
"""Takes one line of progress."""


@dataclass(frozen=True)
class Target:
    """A candidate and the artifact it is made of."""

    candidate: str
    artifact: Path


@dataclass(frozen=True)
class Effort:
    """How hard to measure.

    Attributes:
        rounds: fresh processes per candidate; each gives one cold start.
        count: timed calls per process. 2 rounds of 351 make 702: enough for p99.
        warmup: calls before them, in each process.
        seconds: cap on the timed stretch of one candidate, all rounds together.
        threads: of the runtime.
        timeout_s: after which a process is taken for hung.
    """

    rounds: int = 2
    count: int = 351
    warmup: int = 50
    seconds: float = 5.0
    threads: int = 1
    timeout_s: float = 180.0


@dataclass(frozen=True)
class Measured:
    """One candidate on a device: a report per round, or the reason why it failed."""

    candidate: str
    reports: tuple[RunnerReport, ...]
    failure: str | None = None


class Device(Protocol):
    """A place where sessions run."""

    @property
    def name(self) -> str:
        """``host``, ``ssh:user@host``, ``adb:serial``, ``emulated:…``."""
        ...

    @property
    def device_class(self) -> DeviceClass:
        """What it stands for in the verdict."""
        ...

    @property
    def emulated(self) -> bool:
        """An emulated device gives outputs, never latency or power."""
        ...

    def available(self) -> str | None:
        """None when it can be measured now; else why not."""
        ...

    def machine(self) -> Machine:
        """What it is.

        Raises:
            DeviceError: it cannot be reached.
        """
        ...

    def measure(self, targets: Sequence[Target], inputs: Path, *, effort: Effort, report: Report) -> list[Measured]:
        """Measure the targets interleaved, so that all of them see the same period of the device.

        A candidate that crashes, hangs or reports garbage costs itself only.

        Args:
            targets: what to measure; the first is the baseline.
            inputs: npz of samples.
            effort: how hard.
            report: progress.

        Raises:
            DeviceError: the device itself was lost.
        """
        ...


class DeviceFactory(Protocol):
    """What an entry point of ``edgeproof.devices`` gives."""

    def __call__(self, address: str = "") -> Device: ...
