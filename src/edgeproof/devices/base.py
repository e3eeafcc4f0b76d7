"""What a device is: a transport. Files go there, the runner runs a job there, files come back.

What is measured on it, and in which order, is the same for every device (``measuring``); it judges nothing. A device
lives from ``open_device`` to ``close``: probe (``place``), choose what can run there, ``equip`` it, ``put``, ``run``,
``get``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from edgeproof.documents.device import Board, DeviceClass
from edgeproof.documents.environment import Machine
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.documents.sustained import Sustained
from edgeproof.errors import DeviceError
from edgeproof.process import Limits

__all__ = ["AtPace", "Device", "DeviceFactory", "Effort", "Measured", "Place", "RecordsPower", "Report", "Target"]

PACED_CALLS, PACED_SECONDS = 33, 5.0
"""Two rounds of 33 are the 64 that a p90 needs, and two more."""

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
        limits: of one process; what passes them is taken for hung. A pace and a held load come on top.
        paces: seconds between the beginnings of calls, each measured in processes of its own beside back to back.
        hold: seconds of load in each process after its timed calls, for a meter; None: none.
        sustained: seconds under load of each candidate after all of that, from one temperature; None: none.
        meter: a power meter of the device's own, recorded there meanwhile; None: none.
    """

    rounds: int = 2
    count: int = 351
    warmup: int = 50
    seconds: float = 5.0
    threads: int = 1
    limits: Limits = field(default_factory=lambda: Limits(seconds=180))
    paces: tuple[float, ...] = ()
    hold: float | None = None
    sustained: float | None = None
    meter: str | None = None

    def at_pace(self, pace_s: float) -> int:
        """Timed calls per process at a pace: as many as 5 s have room for, and enough for a p90 of two rounds."""
        return min(self.count, max(PACED_CALLS, int(PACED_SECONDS / pace_s)))


@dataclass(frozen=True)
class AtPace:
    """A candidate at one pace: a report per round, or the reason why it failed."""

    pace_s: float
    reports: tuple[RunnerReport, ...]
    failure: str | None = None


@dataclass(frozen=True)
class Measured:
    """One candidate on a device: a report per round, or the reason why it failed; beside them those at each pace."""

    candidate: str
    reports: tuple[RunnerReport, ...]
    failure: str | None = None
    threads: int | None = None
    paced: tuple[AtPace, ...] = ()
    sustained: Sustained | str | None = None
    """Under load for minutes, or why there is nothing of it; None where it was not asked for."""


@dataclass(frozen=True)
class Place:
    """What a device is, as far as choosing goes: which candidates exist for it, and what they need there.

    Attributes:
        system: ``linux``, ``android``.
        architecture: as the system names it: ``aarch64``, ``armv7l``, ``x86_64``.
        libc: ``glibc 2.36``, ``musl``, ``bionic``; None where it is not told.
        python: its version, ``3.11``; None: there is none that our runner runs in, and a candidate needs a program of
            its own.
        memory_bytes: that a process may hope for.
        disk_bytes: free where files are brought.
        taken: suffixes of files that an app of ours runs there as they are, built around them.
        timed_only: suffixes of files that a benchmark program of their runtime's times there, without any outputs.
    """

    system: str
    architecture: str
    libc: str | None = None
    python: str | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    taken: tuple[str, ...] = ()
    timed_only: tuple[str, ...] = ()


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

    def available(self) -> DeviceError | None:
        """None when it can be measured now; else why not, and what to do."""
        ...

    def board(self) -> Board | None:
        """What it shows of itself beyond its machine; None: this very machine.

        Raises:
            DeviceError: it cannot be reached.
        """
        ...

    def machine(self) -> Machine:
        """What it is.

        Raises:
            DeviceError: it cannot be reached.
        """
        ...

    def place(self) -> Place | None:
        """What choosing needs to know; None: it is this very machine, and what is here is there.

        Raises:
            DeviceError: it cannot be reached.
        """
        ...

    def equip(self, requirements: Sequence[str], report: Report) -> Mapping[str, str]:
        """Bring the packages that runtimes need there, in the versions that are installed here.

        Args:
            requirements: as formats name them: ``onnxruntime``.
            report: takes a line of progress.

        Returns:
            why one is not there, for each that is not.

        Raises:
            DeviceError: nothing can be run there, or it has no room.
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

        Outputs that a job names without a folder lie in the device's own, and ``get`` finds them by that name.

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

    def close(self) -> None:
        """Leave nothing of ours running there; may be called twice."""
        ...


@runtime_checkable
class RecordsPower(Protocol):
    """A device with a power meter of its own, which it can record beside its jobs."""

    def recorded(self, meter: str, to: Path) -> AbstractContextManager[Callable[[], Path]]:
        """Record while the block runs; what it gives is called once the block has ended, and gives the trace's file.

        Args:
            meter: its address on the device.
            to: a folder here for the trace.

        Raises:
            DeviceError: the meter cannot be read there, or the device was lost.
        """
        ...


class DeviceFactory(Protocol):
    """What an entry point of ``edgeproof.devices`` gives."""

    def __call__(self, address: str = "") -> Device: ...
