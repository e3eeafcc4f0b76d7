"""Results that were measured by hand on a device, brought back into the run as a device document.

For devices that no program of ours reaches, such as an iPhone. Raw latencies are asked for, never a mean: percentiles
come from them by the same rule as everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from edgeproof.documents.base import Value
from edgeproof.documents.device import DeviceClass, DeviceDocument, DeviceMeasurement
from edgeproof.documents.environment import Machine
from edgeproof.documents.latency import ProcessUse
from edgeproof.documents.parsing import file_bytes, parse_json
from edgeproof.documents.runner import RunnerReport
from edgeproof.errors import DocumentError
from edgeproof.files import write_bytes
from edgeproof.measure.statistics import steady
from edgeproof.rundir import RunDir

__all__ = ["HandResult", "bring_back", "read_result"]

NOT_RECORDED = "not recorded: brought back by hand"


class HandResult(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One candidate measured by hand. Latencies are single calls after the warm-up, in order."""

    latency_us: tuple[float, ...]
    warmup: int = 0
    threads: int | None = None
    peak_memory_bytes: int | None = None
    mean_power_mw: float | None = None
    """Gross mean power over the measured stretch; energy per inference follows as power times mean latency."""
    temperature_c: tuple[float, ...] = ()
    throttled: bool | None = None


def bring_back(run: RunDir, device_class: DeviceClass, files: Mapping[str, Path]) -> Path:
    """Write the results into ``phase4_devices/<class>-by-hand.json``, beside what was brought back before.

    Args:
        run: the run.
        device_class: what they were measured on.
        files: per candidate a JSON file: a list of latencies in µs, a ``HandResult``, or a runner's report.

    Raises:
        DocumentError: a file is none of these, or has too little or impossible figures.
    """
    device = f"{device_class} by hand"
    earlier = run.device(device)
    kept = {measured.candidate: measured for measured in earlier.measurements} if earlier is not None else {}
    for candidate, file in files.items():
        result = read_result(file)
        raw = DeviceDocument.raw_path_of(device, candidate)
        write_bytes(run.path(raw), msgspec.json.encode(result.latency_us))
        kept[candidate] = measured(candidate, result, raw)
    document = DeviceDocument(
        device=device,
        device_class=device_class,
        emulated=False,
        machine=unknown_machine(),
        baseline=None,
        measurements=tuple(kept.values()),
        not_measured={
            "machine": NOT_RECORDED,
            "ratio to a baseline": "the candidates were not measured interleaved",
            "cold start": NOT_RECORDED,
        },
    )
    return run.write(document)


def read_result(file: Path) -> HandResult:
    """A result file in any of its three shapes.

    Raises:
        DocumentError: it is none of them.
    """
    try:
        head = parse_json(file_bytes(file))
        if isinstance(head, list):
            result = HandResult(latency_us=msgspec.convert(head, tuple[float, ...]))
        elif isinstance(head, dict) and "schema" in head:
            result = from_runner(msgspec.convert(head, RunnerReport))
        else:
            result = msgspec.convert(head, HandResult)
    except OSError as error:
        raise DocumentError(f"cannot read {file}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise DocumentError(
            f"{file} is not a result: {error}",
            hint='expected a JSON list of latencies in µs, {"latency_us": […]}, or a report of the runner',
        ) from error
    check(result, file)
    return result


def from_runner(report: RunnerReport) -> HandResult:
    temperatures = (report.temperature_before_c, report.temperature_after_c)
    return HandResult(
        latency_us=report.steady_us,
        warmup=report.warmup,
        threads=report.threads,
        peak_memory_bytes=report.peak_memory_bytes,
        temperature_c=tuple(value for value in temperatures if value is not None),
        throttled=report.throttled,
    )


def check(result: HandResult, file: Path) -> None:
    """Refuse what cannot have been measured."""
    if len(result.latency_us) < 2:
        raise DocumentError(f"{file} has {len(result.latency_us)} latencies; expected at least 2, and 64 for a p90")
    if not positive(result.latency_us):
        raise DocumentError(f"{file} has a latency that is not above 0 µs")
    figures = [value for value in (result.mean_power_mw, result.peak_memory_bytes) if value is not None]
    if not positive(figures):
        raise DocumentError(f"{file}: power and memory must be above 0 where they are given")


def positive(values: Sequence[float]) -> bool:
    return all(math.isfinite(value) and value > 0 for value in values)


def measured(candidate: str, result: HandResult, raw: str) -> DeviceMeasurement:
    figures = steady(result.latency_us, warmup=result.warmup, raw=raw)
    power = result.mean_power_mw
    return DeviceMeasurement(
        candidate=candidate,
        status="ok",
        steady=figures,
        process=ProcessUse(cpu_percent=None, peak_memory_bytes=result.peak_memory_bytes),
        threads=result.threads,
        energy_mj=power * figures.mean_us / 1e6 if power is not None else None,
        temperature_c=result.temperature_c,
        throttled=result.throttled,
    )


def unknown_machine() -> Machine:
    """A machine of which nothing is recorded: words say so, and counts are 0."""
    return Machine(
        system="not recorded",
        release="not recorded",
        architecture="not recorded",
        cpu_model=None,
        logical_cores=0,
        usable_cores=0,
        memory_bytes=0,
        python="not recorded",
        governor=None,
        max_mhz=None,
        virtual=None,
        temperature_c=None,
    )
