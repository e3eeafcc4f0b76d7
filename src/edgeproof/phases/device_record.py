"""A device's runs as its document: the figures of each candidate, its ratio to the baseline, and what is missing."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import msgspec

from edgeproof.devices.base import Measured, Target
from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.device import DeviceClass, DeviceDocument, DeviceMeasurement
from edgeproof.documents.environment import Machine
from edgeproof.documents.latency import ProcessUse
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.errors import UsageError
from edgeproof.measure.statistics import cold_start, steady
from edgeproof.rundir import RunDir, write_bytes

__all__ = ["FOLDER", "chosen_candidates", "record", "targets_of", "why_not"]

FOLDER = "phase4_devices"
CONVERSION = "phase3_conversion.json"
VALIDATION = "phase3_validation.json"
BASELINE = "sdk-eager"
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
    conversion = run.read(CONVERSION, ConversionDocument)
    validation = run.read_if_there(VALIDATION, ValidationDocument)
    validated = {one.candidate: one for one in validation.results} if validation else {}
    known = [one.candidate for one in conversion.candidates]
    unknown = [name for name in names if name not in known]
    if unknown or not known:
        raise UsageError(
            f"the run has no candidate {', '.join(unknown) or 'at all'}", hint=f"it has: {', '.join(known) or 'none'}"
        )
    chosen = [one for one in conversion.candidates if not names or one.candidate in names]
    skipped = {one.candidate: reason for one in chosen if (reason := why_not(one, validated.get(one.candidate)))}
    return chosen, skipped


def targets_of(run: RunDir, chosen: Sequence[ConversionResult], skipped: Mapping[str, str]) -> list[Target]:
    """What is to be measured, the baseline first."""
    runnable = [one for one in chosen if one.candidate not in skipped]
    runnable.sort(key=lambda one: one.candidate != BASELINE)
    return [Target(one.candidate, run.path(one.artifact)) for one in runnable if one.artifact]


def record(
    run: RunDir,
    chosen: Sequence[ConversionResult],
    skipped: Mapping[str, str],
    measured: Sequence[Measured],
    *,
    device: str,
    device_class: DeviceClass,
    machine: Machine,
    emulated: bool,
) -> DeviceDocument:
    """Write ``phase4_devices/<device>.json`` and the raw values beside it. Earlier figures of candidates that are not
    chosen now are kept.

    Args:
        run: the run.
        chosen: candidates that stand in the document.
        skipped: candidate to the reason why it was not measured.
        measured: what the device gave, the baseline first.
        device: its address.
        device_class: what it stands for.
        machine: what it is.
        emulated: an emulated device has no figures.
    """
    by_name = {one.candidate: one for one in measured}
    medians = {one.candidate: statistics.median(values) for one in measured if (values := _values(one))}
    baseline = next((one.candidate for one in measured if one.candidate in medians), None)
    file_name = "".join(letter if letter.isalnum() or letter in "-._@" else "-" for letter in device)
    measurements = []
    for one in chosen:
        taken = by_name.get(one.candidate)
        if taken is None:
            reason = skipped.get(one.candidate, "the device did not measure it")
            measurements.append(DeviceMeasurement(candidate=one.candidate, status="skipped", reason=reason))
        elif taken.failure or one.candidate not in medians:
            reason = taken.failure or "no call was timed"
            measurements.append(DeviceMeasurement(candidate=one.candidate, status="failed", reason=reason))
        elif emulated:
            measurements.append(DeviceMeasurement(candidate=one.candidate, status="skipped", reason=EMULATED))
        else:
            ratio = medians[one.candidate] / medians[baseline] if baseline and medians[baseline] else None
            raw = f"{FOLDER}/raw/{file_name}-{one.candidate}.json"
            write_bytes(run.path(raw), msgspec.json.encode(_values(taken)))
            measurements.append(_measurement(taken, raw, ratio))
    measurements = [*_kept(run, f"{FOLDER}/{file_name}.json", chosen), *measurements]
    document = DeviceDocument(
        device=device,
        device_class=device_class,
        emulated=emulated,
        machine=machine,
        baseline=None if emulated else baseline,
        measurements=tuple(measurements),
        not_measured=_not_measured(machine, measurements),
    )
    run.write(f"{FOLDER}/{file_name}.json", document)
    return document


def _kept(run: RunDir, relative: str, chosen: Sequence[ConversionResult]) -> list[DeviceMeasurement]:
    """What was measured before of the run's other candidates; without ratios: they were not interleaved."""
    earlier = run.read_if_there(relative, DeviceDocument)
    if earlier is None:
        return []
    again = {one.candidate for one in chosen}
    known = {one.candidate for one in run.read(CONVERSION, ConversionDocument).candidates}
    return [
        msgspec.structs.replace(one, ratio_to_baseline=None)
        for one in earlier.measurements
        if one.candidate in known and one.candidate not in again
    ]


def why_not(one: ConversionResult, validated: ValidationResult | None) -> str | None:
    """Why a candidate cannot be measured, or None. One whose outputs differ too much still has a latency."""
    if one.status != "ok" or one.artifact is None:
        return f"not converted: {one.reason or one.status}"
    if validated is not None and validated.status in {"skipped", "error"}:
        return f"it did not run in the validation: {validated.reason or validated.status}"
    if validated is not None and validated.checked_by is not None:
        return f"only {validated.checked_by} runs it here, and its times say nothing of the device's own runtime"
    return None


def _values(measured: Measured) -> list[float]:
    return [value for report in measured.reports for value in report.steady_us]


def _measurement(taken: Measured, raw: str, ratio: float | None) -> DeviceMeasurement:
    reports = taken.reports
    percents = [one.cpu_percent for one in reports if one.cpu_percent is not None]
    peaks = [one.peak_memory_bytes for one in reports if one.peak_memory_bytes is not None]
    degrees = [value for one in reports for value in (one.temperature_before_c, one.temperature_after_c)]
    throttled = [one.throttled for one in reports if one.throttled is not None]
    colds = [one for one in reports if one.exec_to_first_ms is not None]
    return DeviceMeasurement(
        candidate=taken.candidate,
        status="ok",
        cold_start=cold_start(
            [one.exec_to_first_ms for one in colds if one.exec_to_first_ms is not None],
            [one.load_ms for one in colds if one.load_ms is not None],
            [one.first_inference_us for one in colds if one.first_inference_us is not None],
        ),
        steady=steady(_values(taken), warmup=sum(one.warmup for one in reports), raw=raw),
        process=ProcessUse(
            cpu_percent=round(sum(percents) / len(percents), 1) if percents else None,
            peak_memory_bytes=max(peaks, default=None),
        ),
        ratio_to_baseline=round(ratio, 4) if ratio is not None else None,
        threads=reports[0].threads,
        cpus=reports[0].cpus,
        temperature_c=tuple(value for value in degrees if value is not None),
        throttled=any(throttled) if throttled else None,
    )


def _not_measured(machine: Machine, measurements: Sequence[DeviceMeasurement]) -> dict[str, str]:
    missing = {"energy": "no power meter is attached to this device"}
    where = "a virtual machine shows none" if machine.virtual else "the system shows none"
    done = [one for one in measurements if one.status == "ok"]
    if not any(one.temperature_c for one in done):
        missing["temperature"] = f"no temperature sensor: {where}"
    if all(one.throttled is None for one in done):
        missing["throttling"] = f"no throttle counter: {where}"
    if machine.governor is None:
        missing["governor"] = f"no frequency governor: {where}"
    return missing
