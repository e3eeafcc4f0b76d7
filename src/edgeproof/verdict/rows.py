"""The table of candidates: what every phase knows of one, side by side, and why a figure is missing."""

from __future__ import annotations

import math
from typing import Literal, get_args

from edgeproof.documents.device import DeviceClass, DeviceMeasurement
from edgeproof.documents.evaluation import CandidateRow, Evidence
from edgeproof.documents.latency import Percentile, Steady
from edgeproof.documents.validation import Differences
from edgeproof.verdict.evidence import conversion_of, format_of, measurements_of, precision_of, validation_of

__all__ = ["candidate_row", "not_measured"]

Status = Literal["passed", "failed", "error", "skipped", "not converted"]


def candidate_row(evidence: Evidence, candidate: str, platforms: tuple[str, ...]) -> CandidateRow:
    """One candidate's line. Latency, cold start and memory are those of the host's device document."""
    conversion, validation = conversion_of(evidence, candidate), validation_of(evidence, candidate)
    status, reason = status_of(evidence, candidate)
    differences = validation.differences if validation is not None else None
    host = next((found for _, found in measurements_of(evidence, candidate, "host")), None)
    steady = host.steady if host is not None else None
    absent: dict[str, str] = {}

    def kept(field: str, value: float | None, why: str) -> float | None:
        if value is None or not math.isfinite(value):
            absent[field] = why
            return None
        return value

    unconverted = f"not converted: {reason or 'no reason given'}" if status == "not converted" else None
    not_compared = unconverted or (
        f"outputs not compared: {reason or status}" if differences is None else "not finite, or not defined here"
    )
    no_task = "the samples have no labels" if evidence.validation and evidence.validation.task is None else not_compared
    not_on_host = unconverted or why_not_on_host(evidence, host)
    agreement = worst_agreement(differences, validation.outputs if validation is not None else ())
    size = kept("bytes", conversion.bytes if conversion else None, unconverted or reason or "no phase recorded a size")
    memory = host.process.peak_memory_bytes if host is not None and host.process is not None else None
    peak = kept("peak_memory_bytes", memory, not_on_host)
    return CandidateRow(
        candidate=candidate,
        format=format_of(evidence, candidate),
        precision=precision_of(evidence, candidate),
        form=(conversion.form if conversion else validation.form if validation else None) or "whole",
        status=status,
        reason=reason,
        remedy=conversion.remedy if conversion is not None else None,
        relative_l2=kept("relative_l2", differences.relative_l2 if differences else None, not_compared),
        max_abs=kept("max_abs", differences.max_abs if differences else None, not_compared),
        spike_agreement=agreement
        if agreement is not None
        else kept("spike_agreement", None, not_compared if differences is None else "no output is spikes"),
        argmax_agreement=kept("argmax_agreement", differences.argmax_agreement if differences else None, not_compared),
        task_score=kept("task_score", validation.task_score if validation else None, no_task),
        task_drop=kept("task_drop", validation.task_drop if validation else None, no_task),
        bytes=int(size) if size is not None else None,
        p50_us=kept("p50_us", value_of(steady.p50 if steady else None), percentile_gap(steady, "p50") or not_on_host),
        p90_us=kept("p90_us", value_of(steady.p90 if steady else None), percentile_gap(steady, "p90") or not_on_host),
        median_us=kept("median_us", steady.median_us if steady else None, not_on_host),
        cold_start_ms=kept(
            "cold_start_ms", host.cold_start.median_ms if host and host.cold_start else None, not_on_host
        ),
        peak_memory_bytes=int(peak) if peak is not None else None,
        smallest_passing_tolerance=kept(
            "smallest_passing_tolerance", passing_tolerance(differences, agreement), not_compared
        ),
        tolerance=kept("tolerance", validation.tolerance if validation else None, not_compared),
        platforms=tuple(name for name in get_args(DeviceClass) if name in platforms),
        absent=absent,
    )


def status_of(evidence: Evidence, candidate: str) -> tuple[Status, str | None]:
    """The candidate's status and the reason for it, conversion first."""
    conversion, validation = conversion_of(evidence, candidate), validation_of(evidence, candidate)
    if conversion is not None and conversion.status == "failed":
        return "not converted", conversion.reason
    if conversion is not None and conversion.status == "skipped":
        return "skipped", conversion.reason
    if validation is not None:
        return validation.status, validation.reason
    return "skipped", "its outputs were not compared with the eager model"


def worst_agreement(differences: Differences | None, outputs: tuple[Differences, ...]) -> float | None:
    """The lowest share of equal spike counts over all spike outputs."""
    found = [output.spikes.agreement for output in outputs if output.spikes is not None]
    if not found and differences is not None and differences.spikes is not None:
        found = [differences.spikes.agreement]
    return min(found) if found and all(math.isfinite(share) for share in found) else None


def passing_tolerance(differences: Differences | None, agreement: float | None) -> float | None:
    """In the kind of figure that the tolerance is for: 1 - agreement where there are spikes, else relative L2."""
    if differences is None:
        return None
    return 1.0 - agreement if agreement is not None else differences.smallest_passing_tolerance


def why_not_on_host(evidence: Evidence, host: DeviceMeasurement | None) -> str:
    if host is not None:
        return host.reason or "the host did not record it"
    if any(device.device_class == "host" and not device.emulated for device in evidence.devices):
        return "not among the candidates that the host measured"
    return "nothing was measured on the host"


def value_of(percentile: Percentile | None) -> float | None:
    return percentile.value_us if percentile is not None else None


def percentile_gap(steady: Steady | None, name: str) -> str | None:
    """Why a percentile has no value although there are measurements."""
    if steady is None:
        return None
    percentile: Percentile = getattr(steady, name)
    return f"{steady.count} measurements do not support a {name}: {percentile.needs_more} more needed"


def not_measured(evidence: Evidence) -> dict[str, str]:
    """What this run did not measure, and why: phases that have not written, and what each phase itself says."""
    gaps: dict[str, str] = {}
    for name, document in (
        ("environment", evidence.environment),
        ("samples and signature", evidence.samples),
        ("server latency", evidence.latency),
        ("conversion", evidence.conversion),
        ("output differences", evidence.validation),
    ):
        if document is None:
            gaps[name] = "its phase has not written a document"
    if evidence.latency is not None:
        gaps |= {f"server: {name}": reason for name, reason in evidence.latency.not_measured.items()}
    if evidence.validation is not None and evidence.validation.task is None:
        gaps["task score"] = "the samples have no labels"
    for device_class in get_args(DeviceClass):
        documents = [device for device in evidence.devices if device.device_class == device_class]
        if not any(not device.emulated for device in documents):
            only = "; only an emulated one ran, which has no latency or power" if documents else ""
            gaps[f"{device_class}: latency, memory, temperature, power"] = f"no such device was measured{only}"
        for device in documents:
            gaps |= {f"{device.device}: {name}": reason for name, reason in device.not_measured.items()}
    return gaps
