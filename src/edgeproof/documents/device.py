"""``phase4_devices/<device>.json``: what a device measured, candidate by candidate."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgeproof.documents.base import Document, Value, plain_name
from edgeproof.documents.conditions import Conditions
from edgeproof.documents.conversion import Outcome
from edgeproof.documents.device_class import DEVICE_CLASSES, EVERY_CLASS, DeviceClass, ships_as
from edgeproof.documents.environment import Machine
from edgeproof.documents.heat import Heat
from edgeproof.documents.held import Held, Paced
from edgeproof.documents.latency import ColdStart, ProcessUse, Steady
from edgeproof.documents.power import Energy
from edgeproof.documents.sustained import Sustained
from edgeproof.documents.task import TaskScore
from edgeproof.documents.validation import Differences

__all__ = [
    "DEVICE_CLASSES",
    "EVERY_CLASS",
    "Board",
    "DeviceClass",
    "DeviceDocument",
    "DeviceMeasurement",
    "OtherThreads",
    "OutputsThere",
    "Provenance",
    "ships_as",
]


class Board(Value, frozen=True, kw_only=True):
    """What a device over a link shows of itself beyond its machine; None where it does not."""

    name: str | None
    """``Raspberry Pi 4 Model B Rev 1.4``."""
    libc: str | None = None
    disk_free_bytes: int | None = None
    emulated: Literal["yes", "no", "unknown"] = "unknown"
    signs: tuple[str, ...] = ()
    """Of an emulator."""
    contradictions: tuple[str, ...] = ()
    """Between what it says it is and what it shows."""
    throttled_bits: int | None = None
    """Raspberry Pi's word, before anything was run."""
    packages: dict[str, str] = {}
    """Versions of what was brought there for the runtimes."""
    clock_offset_ms: float | None = None
    """Its clock less this machine's; half a round trip is its error."""
    clock_within_ms: float | None = None
    """That half."""


class OtherThreads(Value, frozen=True, kw_only=True):
    """The same candidate on another count of threads, measured interleaved."""

    threads: int
    steady: Steady | None = None
    reason: str | None = None
    """Why it was not measured."""


class OutputsThere(Value, frozen=True, kw_only=True):
    """What a candidate gives on the device for the held-out samples, held against the eager model and this machine."""

    status: Literal["passed", "failed", "error", "unseen"]
    """``unseen``: what runs it there gives times and no outputs."""
    reason: str | None = None
    samples: int = 0
    differences: Differences | None = None
    """To the eager model, the worst over all outputs."""
    from_here: Differences | None = None
    """To the artifact on this machine, the worst over all outputs; None where it does not run here."""
    same_bits: bool | None = None
    """Whether they are this machine's, bit for bit; None where it does not run here."""
    promised: bool = False
    """Whether the same bits are promised on every processor: of our own engine."""
    task: TaskScore | None = None
    """Of the device's own arithmetic."""
    built: str | None = None
    """Sha256 of what was built for the device in place of this machine's artifact."""


class DeviceMeasurement(Value, frozen=True, kw_only=True):
    """One candidate on one device. ``skipped`` and ``failed`` carry a reason and no figures."""

    candidate: str
    status: Outcome
    reason: str | None = None
    cold_start: ColdStart | None = None
    steady: Steady | None = None
    process: ProcessUse | None = None
    ratio_to_baseline: float | None = None
    """Median latency over the baseline candidate's, measured interleaved in the same run."""
    threads: int | None = None
    """Of the runtime: the fastest of those that were asked for."""
    cpus: tuple[int, ...] = ()
    energy_mj: float | None = None
    """Gross millijoules per inference."""
    energy: Energy | None = None
    """How that is known, its interval, and what is left without idle power; or why there is none. None: no meter."""
    temperature_c: tuple[float, ...] = ()
    throttled: bool | None = None
    ran_on: tuple[int, ...] = ()
    """Cores that its timed calls were seen on, where that is told."""
    conditions: tuple[Conditions, ...] = ()
    """Heat, clocks and battery before and after each process, where somebody looked from outside."""
    other_threads: tuple[OtherThreads, ...] = ()
    """Other counts of threads that were measured beside this one, which was the fastest."""
    degraded: str | None = None
    """Why its runtime has fallen back to slow kernels there: the times are those of these. None where it has not."""
    told: str | None = None
    """Why its figures are told and not seen, where they are: they came as a file, without the machine or outputs."""
    outputs: OutputsThere | None = None
    """None on this very machine, where the validation tells them."""
    stable: bool | None = None
    """Whether every process's warm-up ended in medians that agree; None where that was not looked at."""
    paced: tuple[Paced, ...] = ()
    """At the paces that were asked for; ``steady`` is back to back."""
    held: tuple[Held, ...] = ()
    """The load that was held, once a process."""
    heat: tuple[Heat, ...] = ()
    """Seen beside the timed stretch and the held load, once a process."""
    sustained: Sustained | None = None
    """Under load for minutes; None where that was not measured."""
    not_sustained: str | None = None
    """Why it was not, where it was asked for."""


class Provenance(Value, frozen=True, kw_only=True):
    """Of figures that were brought in as files: who measured, on what, and how, as far as they say."""

    by: str | None = None
    on: str | None = None
    how: str | None = None


class DeviceDocument(Document, frozen=True, kw_only=True):
    """Phase 4: one device."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.device", 1)
    FILE: ClassVar[str] = "phase4_devices"
    """The folder; one file a device, raw values in ``raw/`` beside them."""

    device: str
    """``host``, ``ssh:…``, ``adb:…``, ``emulated:…``."""
    device_class: DeviceClass
    emulated: bool
    machine: Machine
    baseline: str | None
    """The candidate that ratios refer to."""
    board: Board | None = None
    provenance: Provenance | None = None
    """Of figures that were brought in; None: this program measured them there."""
    measurements: tuple[DeviceMeasurement, ...]
    not_measured: dict[str, str]

    @classmethod
    def path_of(cls, device: str) -> str:
        """The document of the device of that address, in the run folder."""
        return f"{cls.FILE}/{plain_name(device)}.json"

    @classmethod
    def raw_path_of(cls, device: str, candidate: str) -> str:
        """The single values of a candidate on that device, in the run folder."""
        return f"{cls.FILE}/raw/{plain_name(device)}-{plain_name(candidate)}.json"

    def path_in_run(self) -> str:
        return self.path_of(self.device)
