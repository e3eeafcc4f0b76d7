"""Phase 4, the devices: every candidate of phase 3 that can run, on every device that can be measured, interleaved.

What cannot be measured is written down with its reason: a candidate that has no artifact, a figure that has no sensor.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import msgspec

from edgeproof.devices.base import Device, Effort, Measured, Target
from edgeproof.devices.discover import open_device
from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.device import DeviceDocument, DeviceMeasurement
from edgeproof.documents.environment import Machine
from edgeproof.documents.latency import ProcessUse
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.errors import DeviceError, DocumentError
from edgeproof.measure.statistics import cold_start, steady
from edgeproof.rundir import RunDir, write_bytes

__all__ = ["FOLDER", "measure_devices"]

FOLDER = "phase4_devices"
CONVERSION = "phase3_conversion.json"
VALIDATION = "phase3_validation.json"
SAMPLES = "phase1_samples.json"
BASELINE = "sdk-eager"
EMULATED = "an emulated device gives no latency, temperature or power"


def measure_devices(
    run: RunDir,
    *,
    devices: Sequence[str] = ("host",),
    candidates: Sequence[str] = (),
    effort: Effort | None = None,
    report: Callable[[str], None] = lambda _line: None,
) -> list[DeviceDocument]:
    """Measure the candidates and write ``phase4_devices/<device>.json`` for each device, raw values beside it.

    Args:
        run: the run; phases 1 and 3 are done.
        devices: addresses, as ``edgeproof devices`` lists them.
        candidates: which to measure; empty: all of phase 3.
        effort: how hard to measure; by default 3 fresh processes and 702 calls, 3 s at most per candidate.
        report: takes a line of progress.

    Raises:
        DocumentError: an earlier phase has written nothing, or nothing readable.
        DeviceError: no device could be measured.
    """
    conversion = run.read(CONVERSION, ConversionDocument)
    validation = run.read_if_there(VALIDATION, ValidationDocument)
    validated = {one.candidate: one for one in validation.results} if validation else {}
    chosen = [one for one in conversion.candidates if not candidates or one.candidate in candidates]
    if not chosen:
        raise DocumentError(f"{CONVERSION} has none of the candidates {', '.join(candidates) or 'to measure'}")
    skipped = {one.candidate: reason for one in chosen if (reason := _why_not(one, validated.get(one.candidate)))}
    documents = []
    refused = []
    for address in devices:
        try:
            device = open_device(address)
            reason = device.available()
            if reason:
                raise DeviceError(f"{address}: {reason}")
            documents.append(_measure(run, device, chosen, skipped, effort or Effort(), report))
        except DeviceError as error:
            report(str(error))
            refused.append(str(error))
    if not documents:
        raise DeviceError("; ".join(refused) or "no device was named", hint="`edgeproof devices` lists them")
    return documents


def _why_not(one: ConversionResult, validated: ValidationResult | None) -> str | None:
    """Why a candidate cannot be measured, or None. One whose outputs differ too much still has a latency."""
    if one.status != "ok" or one.artifact is None:
        return f"not converted: {one.reason or one.status}"
    if validated is not None and validated.status in {"skipped", "error"}:
        return f"it did not run in the validation: {validated.reason or validated.status}"
    return None


def _measure(
    run: RunDir,
    device: Device,
    chosen: Sequence[ConversionResult],
    skipped: dict[str, str],
    effort: Effort,
    report: Callable[[str], None],
) -> DeviceDocument:
    inputs = run.path(run.read(SAMPLES, SamplesDocument).held_out.file)
    runnable = [one for one in chosen if one.candidate not in skipped and one.artifact]
    runnable.sort(key=lambda one: one.candidate != BASELINE)
    targets = [Target(one.candidate, run.path(one.artifact or "")) for one in runnable]
    measured = {one.candidate: one for one in device.measure(targets, inputs, effort=effort, report=report)}
    machine = device.machine()
    medians = {name: statistics.median(values) for name, one in measured.items() if (values := _values(one))}
    baseline = next((target.candidate for target in targets if target.candidate in medians), None)
    measurements = []
    for one in chosen:
        taken = measured.get(one.candidate)
        if taken is None:
            reason = skipped.get(one.candidate, "the device did not measure it")
            measurements.append(DeviceMeasurement(candidate=one.candidate, status="skipped", reason=reason))
        elif taken.failure or one.candidate not in medians:
            reason = taken.failure or "no call was timed"
            measurements.append(DeviceMeasurement(candidate=one.candidate, status="failed", reason=reason))
        else:
            ratio = medians[one.candidate] / medians[baseline] if baseline and medians[baseline] else None
            measurements.append(_measurement(run, device, taken, ratio))
    document = DeviceDocument(
        device=device.name,
        device_class=device.device_class,
        emulated=device.emulated,
        machine=machine,
        baseline=baseline,
        measurements=tuple(measurements),
        not_measured=_not_measured(machine, measurements),
    )
    run.write(f"{FOLDER}/{_file_name(device.name)}.json", document)
    return document


def _values(measured: Measured) -> list[float]:
    return [value for report in measured.reports for value in report.steady_us]


def _measurement(run: RunDir, device: Device, taken: Measured, ratio: float | None) -> DeviceMeasurement:
    if device.emulated:
        return DeviceMeasurement(candidate=taken.candidate, status="skipped", reason=EMULATED)
    reports = taken.reports
    raw = f"{FOLDER}/raw/{_file_name(device.name)}-{taken.candidate}.json"
    values = _values(taken)
    write_bytes(run.path(raw), msgspec.json.encode(values))
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
        steady=steady(values, warmup=sum(one.warmup for one in reports), raw=raw),
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


def _file_name(device: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-._@" else "-" for letter in device)
