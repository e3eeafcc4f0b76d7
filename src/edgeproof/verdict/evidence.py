"""Questions that are put to the evidence of a run: which candidates there are, and what each phase says of one."""

from __future__ import annotations

from edgeproof.documents.conversion import ConversionResult
from edgeproof.documents.device import DeviceClass, DeviceDocument, DeviceMeasurement
from edgeproof.documents.evaluation import Evidence
from edgeproof.documents.validation import ValidationResult

__all__ = ["candidate_names", "conversion_of", "is_sdk", "measurements_of", "precision_of", "validation_of"]


def candidate_names(evidence: Evidence) -> tuple[str, ...]:
    """Every candidate that any phase speaks of, each once, SDK candidates first, then in order of appearance."""
    names: list[str] = []
    if evidence.conversion is not None:
        names += [result.candidate for result in evidence.conversion.candidates]
    if evidence.validation is not None:
        names += [result.candidate for result in evidence.validation.results]
    for device in evidence.devices:
        names += [measurement.candidate for measurement in device.measurements]
    if evidence.latency is not None:
        names += [served.candidate for served in evidence.latency.served]
    unique = list(dict.fromkeys(names))
    return tuple(sorted(unique, key=lambda name: not is_sdk(name, evidence)))


def conversion_of(evidence: Evidence, candidate: str) -> ConversionResult | None:
    """What phase 3 says of the candidate's conversion."""
    results = evidence.conversion.candidates if evidence.conversion is not None else ()
    return next((result for result in results if result.candidate == candidate), None)


def validation_of(evidence: Evidence, candidate: str) -> ValidationResult | None:
    """What phase 3 says of the candidate's numbers."""
    results = evidence.validation.results if evidence.validation is not None else ()
    return next((result for result in results if result.candidate == candidate), None)


def measurements_of(
    evidence: Evidence, candidate: str, device_class: DeviceClass
) -> list[tuple[DeviceDocument, DeviceMeasurement]]:
    """The candidate's measurements on every real device of the class. An emulated device measures nothing."""
    return [
        (device, measurement)
        for device in evidence.devices
        if device.device_class == device_class and not device.emulated
        for measurement in device.measurements
        if measurement.candidate == candidate
    ]


def format_of(evidence: Evidence, candidate: str) -> str:
    """The candidate's format, or the candidate's name where no phase says."""
    conversion, validation = conversion_of(evidence, candidate), validation_of(evidence, candidate)
    if conversion is not None:
        return conversion.format
    if validation is not None and validation.format is not None:
        return validation.format
    return candidate.rpartition("-")[0] or candidate


def precision_of(evidence: Evidence, candidate: str) -> str:
    """The candidate's precision; ``fp32`` where no phase says and its name does not end in another."""
    conversion, validation = conversion_of(evidence, candidate), validation_of(evidence, candidate)
    if conversion is not None:
        return conversion.precision
    if validation is not None and validation.precision is not None:
        return validation.precision
    tail = candidate.rpartition("-")[2]
    return tail if tail in ("fp16", "int8") else "fp32"


def is_sdk(candidate: str, evidence: Evidence) -> bool:
    """Whether the candidate runs the model with our own engine, as its conversion says."""
    conversion = conversion_of(evidence, candidate)
    return conversion is not None and conversion.sdk
