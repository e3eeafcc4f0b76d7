"""What a device is: a transport. Files go there, the runner runs a job there, files come back.

What is measured on it, and in which order, is the same for every device (``measuring``); it judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.environment import Machine
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.process import Limits

__all__ = ["Device", "DeviceFactory", "Effort", "Measured", "Report", "Target"]

Report = Callable[[str], None]
"""Takes one line of progress."""


@dataclass(frozen=True)
class Target:
    """A candidate and the artifact it is made of, on this machine.

    Attributes:
        candidate: its name.
        artifact: its file or folder.
        threads: of the runtime; None: as the effort says.
        inputs: its own npz of samples, where it takes others than the rest.
    """

    candidate: str
    artifact: Path
    threads: int | None = None
    inputs: Path | None = None


@dataclass(frozen=True)
class Effort:
    """How hard to measure.

    Attributes:
        rounds: fresh processes per candidate; each gives one cold start.
        count: timed calls per process. 2 rounds of 351 make 702: enough for p99.
        warmup: calls before them, in each process.
        seconds: cap on the timed stretch of one candidate, all rounds together.
        threads: of the runtime.
        limits: of one process; what passes them is taken for hung.
    """

    rounds: int = 2
    count: int = 351
    warmup: int = 50
    seconds: float = 5.0
    threads: int = 1
    limits: Limits = field(default_factory=lambda: Limits(seconds=180))


@dataclass(frozen=True)
class Measured:
    """One candidate on a device: a report per round, or the reason why it failed."""

    candidate: str
    reports: tuple[RunnerReport, ...]
    failure: str | None = None
    threads: int | None = None


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

    def put(self, path: Path) -> str:
        """Bring a file or folder of this machine there, and give its path there.

        Raises:
            DeviceError: the device was lost, or has no room.
        """
        ...

    def run(self, job: RunnerJob, limits: Limits) -> RunnerReport:
        """Run a job in a fresh process there; ``error`` is set when it failed, was killed, hung, or reported garbage.

        Raises:
            DeviceError: the device was lost.
        """
        ...

    def get(self, path: str, to: Path) -> None:
        """Bring a file from there to a path of this machine.

        Raises:
            DeviceError: the device was lost, or has no such file.
        """
        ...


class DeviceFactory(Protocol):
    """What an entry point of ``edgeproof.devices`` gives."""

    def __call__(self, address: str = "") -> Device: ...
