"""Latencies that were measured by hand, brought into the run: a list, or the object that the runbook describes.

They are *told*: neither the machine nor the outputs were seen. Raw latencies are asked for, never a mean: percentiles
come from them by the same rule as everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgeproof.documents.base import Value
from edgeproof.documents.device import DeviceClass, DeviceDocument, DeviceMeasurement, Provenance
from edgeproof.documents.environment import Machine
from edgeproof.documents.latency import ProcessUse
from edgeproof.documents.parsing import file_bytes, parse_json, strictly
from edgeproof.documents.power import Energy
from edgeproof.documents.runner import RunnerReport
from edgeproof.errors import DocumentError
from edgeproof.files import write_bytes
from edgeproof.measure.statistics import steady
from edgeproof.rundir import RunDir

__all__ = ["HandResult", "bring_back", "read_result", "unknown_machine"]

NOT_RECORDED = "not recorded: brought back by hand"
TOLD = "it came as a file, and neither the machine nor its outputs were seen"


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


def bring_back(
    run: RunDir,
    device_class: DeviceClass,
    files: Mapping[str, Path],
    provenance: Provenance | None = None,
) -> Path:
    """Write the results into ``phase4_devices/<class>-by-hand.json``, beside what was brought back before.

    Power of a candidate that a device of the class has measured joins that measurement, instead of standing beside it.

    Args:
        run: the run.
        device_class: what they were measured on.
        files: per candidate a JSON file: a list of latencies in µs, a ``HandResult``, or a runner's report.
        provenance: who measured, on what, and how.

    Raises:
        DocumentError: a file is none of these, or has too little or impossible figures.
    """
    device = f"{device_class} by hand"
    earlier = run.device(device)
    kept = {measured.candidate: measured for measured in earlier.measurements} if earlier is not None else {}
    results = {candidate: read_result(file) for candidate, file in files.items()}
    for candidate, result in results.items():
        raw = DeviceDocument.raw_path_of(device, candidate)
        write_bytes(run.path(raw), msgspec.json.encode(result.latency_us))
        joined = result.mean_power_mw is not None and join_power(run, device_class, candidate, result)
        kept[candidate] = measured(candidate, result, raw, power=not joined)
    document = DeviceDocument(
        device=device,
        device_class=device_class,
        emulated=False,
        machine=unknown_machine(),
        baseline=None,
        provenance=provenance or (earlier.provenance if earlier is not None else None) or Provenance(),
        measurements=tuple(kept.values()),
        not_measured={
            "machine": NOT_RECORDED,
            "ratio to a baseline": "the candidates were not measured interleaved",
            "cold start": NOT_RECORDED,
        },
    )
    return run.write(document)


def join_power(run: RunDir, device_class: DeviceClass, candidate: str, result: HandResult) -> bool:
    """Put power that was told by hand beside what a device of the class measured of the candidate; whether one has."""
    for document in run.devices():
        found = next((known for known in document.measurements if known.candidate == candidate), None)
        seen = document.provenance is None and document.device_class == device_class and not document.emulated
        if not seen or found is None or found.steady is None or (found.energy is not None and not found.energy.reason):
            continue
        power = result.mean_power_mw or 0.0
        energy = Energy(
            gross_mj=power * found.steady.mean_us / 1e6,
            mean_mw=power,
            interval="none: a mean was told by hand",
            calls=found.steady.count,
            meter="told by hand",
            source="told by hand",
            estimate="mean power that was told, times the mean latency that was measured",
        )
        changed = msgspec.structs.replace(found, energy=energy, energy_mj=energy.gross_mj)
        measurements = tuple(changed if known is found else known for known in document.measurements)
        run.write(msgspec.structs.replace(document, measurements=measurements))
        return True
    return False


def read_result(file: Path) -> HandResult:
    """A result file in any of its three shapes.

    Raises:
        DocumentError: it is none of them.
    """
    try:
        result = of_any(parse_json(file_bytes(file)))
    except OSError as error:
        raise DocumentError(f"cannot read {file}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise DocumentError(
            f"{file} is not a result: {error}",
            hint='expected a JSON list of latencies in µs, {"latency_us": […]}, or a report of the runner',
        ) from error
    check(result, file)
    return result


def of_any(head: Any) -> HandResult:
    if isinstance(head, list):
        return HandResult(latency_us=msgspec.convert(head, tuple[float, ...]))
    if isinstance(head, dict) and "schema" in head:
        return from_runner(strictly(head, RunnerReport))
    return msgspec.convert(head, HandResult)


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


def measured(candidate: str, result: HandResult, raw: str, *, power: bool = True) -> DeviceMeasurement:
    figures = steady(result.latency_us, warmup=result.warmup, raw=raw)
    watts = result.mean_power_mw if power else None
    return DeviceMeasurement(
        candidate=candidate,
        status="ok",
        steady=figures,
        process=ProcessUse(cpu_percent=None, peak_memory_bytes=result.peak_memory_bytes),
        threads=result.threads,
        energy_mj=watts * figures.mean_us / 1e6 if watts is not None else None,
        temperature_c=result.temperature_c,
        throttled=result.throttled,
        told=TOLD,
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
