"""How far a verdict can be trusted: one definition, for every device class."""

from __future__ import annotations

from typing import Literal

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import Evidence, Standing
from edgeproof.verdict.evidence import measurements_of

__all__ = ["Confidence", "confidence_of", "secondary_gaps"]

Confidence = Literal["high", "medium", "low"]


def confidence_of(evidence: Evidence, standing: Standing | None, device_class: DeviceClass) -> Confidence:
    """The confidence in a candidate on a device class.

    ``high``: every point the policy asks for was measured on a real device of that class, the latency percentile is
    supported by its count, the device said that it did not throttle, and outputs and task score come from real,
    labelled samples held out from the representative ones.

    ``medium``: the same, but exactly one secondary thing is missing: the power the policy asks for, the thermal state
    during the measurement, or samples that were held out rather than the representative ones used again.

    ``low``: everything else, so always when no device of the class was measured, and when nothing is recommended.
    """
    if standing is None or standing.status == "fails":
        return "low"
    primary = [point for point in standing.points if point.name != "power"]
    if any(point.state != "met" for point in primary):
        return "low"
    if not any(point.name == "latency" for point in standing.points) or not has_real_labels(evidence):
        return "low"
    gaps = secondary_gaps(evidence, standing, device_class)
    return "high" if not gaps else "medium" if len(gaps) == 1 else "low"


def has_real_labels(evidence: Evidence) -> bool:
    """Whether outputs were compared on real samples with labels."""
    samples = evidence.samples
    return samples is not None and not samples.synthetic and samples.held_out.labelled


def secondary_gaps(evidence: Evidence, standing: Standing, device_class: DeviceClass) -> list[str]:
    """Which secondary things are missing, in words: power that is asked for, thermal state, a held-out split."""
    gaps = []
    if any(point.name == "power" and point.state != "met" for point in standing.points):
        gaps.append("power")
    measured = [
        measurement
        for _, measurement in measurements_of(evidence, standing.candidate, device_class)
        if measurement.steady is not None
    ]
    if measured and any(measurement.throttled is None for measurement in measured):
        gaps.append("thermal state: the device does not tell whether it throttled")
    if evidence.samples is not None and evidence.samples.held_out.source == "representative":
        gaps.append("held-out samples: the representative samples serve for validation too")
    return gaps
