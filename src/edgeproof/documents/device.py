"""``phase4_devices/<device>.json``: what a device measured, candidate by candidate."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from edgeproof.documents.base import Document, Value, plain_name
from edgeproof.documents.conversion import Outcome
from edgeproof.documents.environment import Machine
from edgeproof.documents.heat import Heat
from edgeproof.documents.held import Held, Paced
from edgeproof.documents.latency import ColdStart, ProcessUse, Steady
from edgeproof.documents.sustained import Sustained

__all__ = ["DEVICE_CLASSES", "DeviceClass", "DeviceDocument", "DeviceMeasurement", "OtherThreads"]

DeviceClass = Literal["host", "raspberry-pi", "android", "iphone"]
DEVICE_CLASSES: tuple[DeviceClass, ...] = get_args(DeviceClass)


class OtherThreads(Value, frozen=True, kw_only=True):
    """The same candidate on another count of threads, measured interleaved."""

    threads: int
    steady: Steady | None = None
    reason: str | None = None
    """Why it was not measured."""


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
    temperature_c: tuple[float, ...] = ()
    throttled: bool | None = None
    other_threads: tuple[OtherThreads, ...] = ()
    """Other counts of threads that were measured beside this one, which was the fastest."""
    degraded: str | None = None
    """Why its runtime has fallen back to slow kernels there: the times are those of these. None where it has not."""
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
