"""A device's runs as its document: the figures of each candidate, its ratio to the baseline, and what is missing."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from edgeproof.devices.base import AtPace, Measured, Target
from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.device import (
    Board,
    DeviceClass,
    DeviceDocument,
    DeviceMeasurement,
    OtherThreads,
    OutputsThere,
)
from edgeproof.documents.environment import Machine
from edgeproof.documents.held import Paced
from edgeproof.documents.latency import ProcessUse, Steady
from edgeproof.documents.sustained import Sustained
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.errors import UsageError
from edgeproof.files import write_bytes
from edgeproof.formats.registry import formats
from edgeproof.measure.statistics import cold_start, steady
from edgeproof.rundir import RunDir

__all__ = ["Recorded", "chosen_candidates", "record", "steady_of", "targets_of", "untimed", "why_not"]

EMULATED = "an emulated device gives no latency, temperature or power"


def chosen_candidates(run: RunDir, names: Sequence[str]) -> tuple[list[ConversionResult], dict[str, str]]:
    """The candidates of phase 3, and why some of them cannot be measured.

    Args:
        run: the run.
        names: which; empty: all.

    Raises:
        DocumentError: phase 3 has written nothing.
        UsageError: it has no such candidate.
    """
    conversion = run.read(ConversionDocument)
    validation = run.read_if_there(ValidationDocument)
    validated = {result.candidate: result for result in validation.results} if validation else {}
    known = [result.candidate for result in conversion.candidates]
    unknown = [name for name in names if name not in known]
    if unknown or not known:
        raise UsageError(
            f"the run has no candidate {', '.join(unknown) or 'at all'}", hint=f"it has: {', '.join(known) or 'none'}"
        )
    chosen = [result for result in conversion.candidates if not names or result.candidate in names]
    skipped = {
        result.candidate: reason for result in chosen if (reason := why_not(result, validated.get(result.candidate)))
    }
    return chosen, skipped


def targets_of(
    run: RunDir, chosen: Sequence[ConversionResult], skipped: Mapping[str, str], threads: Sequence[int] = ()
) -> list[Target]:
    """What is to be measured; PyTorch and our own engine come first, in the order of their formats: the first of all is
    the baseline."""
    order = {name: place for place, name in enumerate(formats())}
    runnable = [result for result in chosen if result.candidate not in skipped]
    runnable.sort(key=lambda result: order.get(result.format, len(order)) if result.sdk or result.eager else len(order))
    return [
        Target(result.candidate, run.path(result.artifact), count)
        for result in runnable
        if result.artifact
        for count in (threads or (None,))
    ]


@dataclass(frozen=True)
class Recorded:
    """The device that measured.

    Attributes:
        device: its address.
        device_class: what it stands for.
        machine: what it is.
        emulated: an emulated device has no figures.
        board: what it shows of itself beyond its machine.
        outputs: what candidates give there.
    """

    device: str
    device_class: DeviceClass
    machine: Machine
    emulated: bool
    board: Board | None = None
    outputs: Mapping[str, OutputsThere] = field(default_factory=dict)


def record(
    run: RunDir,
    chosen: Sequence[ConversionResult],
    skipped: Mapping[str, str],
    measured: Sequence[Measured],
    recorded: Recorded,
) -> DeviceDocument:
    """Write ``phase4_devices/<device>.json`` and the raw values beside it. Earlier figures of candidates that are not
    chosen now are kept.

    Args:
        run: the run.
        chosen: candidates that stand in the document.
        skipped: candidate to the reason why it was not measured.
        measured: what the device gave, the baseline first.
        recorded: the device.
    """
    by_name, others = fastest_of(measured)
    measured = list(by_name.values())
    medians = {taken.candidate: statistics.median(values) for taken in measured if (values := _values(taken))}
    baseline = next((taken.candidate for taken in measured if taken.candidate in medians), None)
    measurements = []
    for candidate in (result.candidate for result in chosen):
        taken = by_name.get(candidate)
        if taken is None:
            there = candidate in recorded.outputs
            usual = EMULATED if there and recorded.emulated else "the device did not measure it"
            reason = skipped.get(candidate, usual)
            measurements.append(DeviceMeasurement(candidate=candidate, status="skipped", reason=reason))
        elif (lost := untimed(taken)) is not None:
            measurements.append(DeviceMeasurement(candidate=candidate, status="failed", reason=lost))
        elif recorded.emulated:
            measurements.append(DeviceMeasurement(candidate=candidate, status="skipped", reason=EMULATED))
        else:
            ratio = medians[candidate] / medians[baseline] if baseline and medians[baseline] else None
            found = _measurement(taken, steady_of(run, recorded.device, candidate, taken), ratio)
            beside = tuple(_other(run, recorded.device, other) for other in others.get(candidate, ()))
            paced = tuple(_paced(run, recorded.device, candidate, at) for at in taken.paced)
            lasted = taken.sustained
            found = msgspec.structs.replace(
                found,
                other_threads=beside,
                paced=paced,
                sustained=lasted if isinstance(lasted, Sustained) else None,
                not_sustained=lasted if isinstance(lasted, str) else None,
            )
            measurements.append(found)
    measurements = [
        msgspec.structs.replace(measured, outputs=recorded.outputs.get(measured.candidate)) for measured in measurements
    ]
    measurements = [*_kept(run, recorded.device, chosen), *measurements]
    document = DeviceDocument(
        device=recorded.device,
        device_class=recorded.device_class,
        emulated=recorded.emulated,
        machine=recorded.machine,
        baseline=None if recorded.emulated else baseline,
        board=recorded.board,
        measurements=tuple(measurements),
        not_measured=_not_measured(recorded.machine, measurements),
    )
    run.write(document)
    return document


def fastest_of(measured: Sequence[Measured]) -> tuple[dict[str, Measured], dict[str, list[Measured]]]:
    """Per candidate the count of threads with the lowest median, and the others; in the order of their first."""
    found: dict[str, list[Measured]] = {}
    for taken in measured:
        found.setdefault(taken.candidate, []).append(taken)

    def median(taken: Measured) -> float:
        values = _values(taken)
        return statistics.median(values) if values and not taken.failure else math.inf

    best = {candidate: min(counts, key=median) for candidate, counts in found.items()}
    return best, {candidate: [t for t in counts if t is not best[candidate]] for candidate, counts in found.items()}


def _other(run: RunDir, device: str, taken: Measured) -> OtherThreads:
    threads = taken.threads or 1
    if (lost := untimed(taken)) is not None:
        return OtherThreads(threads=threads, reason=lost)
    name = f"{taken.candidate}-{threads}-threads"
    return OtherThreads(threads=threads, steady=steady_of(run, device, name, taken))


def _paced(run: RunDir, device: str, candidate: str, at: AtPace) -> Paced:
    if at.failure or not at.reports:
        return Paced(pace_s=at.pace_s, reason=at.failure or "no call was timed")
    name = f"{candidate}-every-{1e3 * at.pace_s:g}-ms"
    return Paced(pace_s=at.pace_s, steady=steady_of(run, device, name, Measured(candidate, at.reports)))


def untimed(taken: Measured) -> str | None:
    """Why there is no steady state, or None."""
    return taken.failure or (None if _values(taken) else "no call was timed")


def steady_of(run: RunDir, device: str, name: str, taken: Measured) -> Steady:
    """The steady state of all processes, with its single values written beside the device's document under a name."""
    raw = DeviceDocument.raw_path_of(device, name)
    write_bytes(run.path(raw), msgspec.json.encode(_values(taken)))
    return steady(_values(taken), warmup=sum(report.warmup for report in taken.reports), raw=raw)


def _kept(run: RunDir, device: str, chosen: Sequence[ConversionResult]) -> list[DeviceMeasurement]:
    """What was measured before of the run's other candidates; without ratios: they were not interleaved."""
    earlier = run.device(device)
    if earlier is None:
        return []
    again = {result.candidate for result in chosen}
    known = {result.candidate for result in run.read(ConversionDocument).candidates}
    return [
        msgspec.structs.replace(measured, ratio_to_baseline=None)
        for measured in earlier.measurements
        if measured.candidate in known and measured.candidate not in again
    ]


def why_not(result: ConversionResult, validated: ValidationResult | None) -> str | None:
    """Why a candidate cannot be measured, or None. One whose outputs differ too much still has a latency."""
    if result.status != "ok" or result.artifact is None:
        return f"not converted: {result.reason or result.status}"
    if validated is not None and validated.status in {"skipped", "error"}:
        return f"it did not run in the validation: {validated.reason or validated.status}"
    if validated is not None and validated.checked_by is not None:
        return f"only {validated.checked_by} runs it here, and its times say nothing of the device's own runtime"
    return None


def _values(measured: Measured) -> list[float]:
    return [value for report in measured.reports for value in report.steady_us]


def _measurement(taken: Measured, steady: Steady, ratio: float | None) -> DeviceMeasurement:
    reports = taken.reports
    percents = [report.cpu_percent for report in reports if report.cpu_percent is not None]
    peaks = [report.peak_memory_bytes for report in reports if report.peak_memory_bytes is not None]
    degrees = [value for report in reports for value in (report.temperature_before_c, report.temperature_after_c)]
    throttled = [report.throttled for report in reports if report.throttled is not None]
    agreed = [report.stable for report in reports if report.stable is not None]
    colds = [report for report in reports if report.exec_to_first_ms is not None]
    return DeviceMeasurement(
        candidate=taken.candidate,
        status="ok",
        cold_start=cold_start(
            [report.exec_to_first_ms for report in colds if report.exec_to_first_ms is not None],
            [report.load_ms for report in colds if report.load_ms is not None],
            [report.first_inference_us for report in colds if report.first_inference_us is not None],
        ),
        steady=steady,
        process=ProcessUse(
            cpu_percent=round(sum(percents) / len(percents), 1) if percents else None,
            peak_memory_bytes=max(peaks, default=None),
            baseline_memory_bytes=max(
                (report.baseline_memory_bytes for report in reports if report.baseline_memory_bytes is not None),
                default=None,
            ),
        ),
        ratio_to_baseline=round(ratio, 4) if ratio is not None else None,
        threads=reports[0].threads,
        cpus=reports[0].cpus,
        temperature_c=tuple(value for value in degrees if value is not None),
        throttled=any(throttled) if throttled else None,
        ran_on=tuple(sorted({core for report in reports for core in report.ran_on})),
        conditions=tuple(found for report in reports for found in report.conditions),
        degraded=next((report.degraded for report in reports if report.degraded), None),
        stable=all(agreed) if agreed else None,
        held=tuple(report.held for report in reports if report.held is not None),
        heat=tuple(report.heat for report in reports if report.heat is not None),
    )


def _not_measured(machine: Machine, measurements: Sequence[DeviceMeasurement]) -> dict[str, str]:
    missing = {}
    if all(measured.energy_mj is None for measured in measurements):
        missing["energy"] = "no meter's trace was joined to it: edgeproof power import"
    where = "a virtual machine shows none" if machine.virtual else "the system shows none"
    done = [measured for measured in measurements if measured.status == "ok"]
    if not any(measured.temperature_c for measured in done):
        missing["temperature"] = f"no temperature sensor: {where}"
    if all(measured.throttled is None for measured in done):
        missing["throttling"] = f"no throttle counter: {where}"
    if machine.governor is None:
        missing["governor"] = f"no frequency governor: {where}"
    return missing
