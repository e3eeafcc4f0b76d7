"""The table of candidates: what every phase knows of one, side by side, and why a figure is missing."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from edgeproof.documents.device import DEVICE_CLASSES
from edgeproof.documents.evaluation import CandidateRow, Evidence
from edgeproof.verdict.cases import Case
from edgeproof.verdict.figures import FIGURES
from edgeproof.verdict.shipping import ships_bytes, ships_unknown

__all__ = ["candidate_row", "not_measured"]


def candidate_row(case: Case, platforms: Container[str]) -> CandidateRow:
    """One candidate's line. Latency, cold start and memory are those of the host's device document."""
    status, reason = case.ending
    values: dict[str, Any] = {figure.key: figure.value(case) for figure in FIGURES}
    places = tuple(name for name in DEVICE_CLASSES if name in platforms)
    return CandidateRow(
        candidate=case.candidate,
        format=case.format,
        precision=case.precision,
        form=case.form,
        status=status,
        reason=reason,
        remedy=case.conversion.remedy if case.conversion is not None else None,
        platforms=places,
        ships={name: size for name in places if (size := ships_bytes(case, name)) is not None},
        ships_unknown={name: ships_unknown(case, name) for name in places if ships_bytes(case, name) is None},
        absent={figure.key: figure.absent(case) for figure in FIGURES if values[figure.key] is None},
        **values,
    )


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
    if evidence.validation is not None:
        gaps |= {f"outputs on {name}": reason for name, reason in evidence.validation.not_emulated.items()}
    for device_class in DEVICE_CLASSES:
        documents = [device for device in evidence.devices if device.device_class == device_class]
        if not any(not device.emulated for device in documents):
            only = "; only an emulated one ran, which has no latency or power" if documents else ""
            gaps[f"{device_class}: latency, memory, temperature, power"] = f"no such device was measured{only}"
        for device in documents:
            gaps |= {f"{device.device}: {name}": reason for name, reason in device.not_measured.items()}
    if evidence.batches is not None:
        gaps |= {f"batches of {refused.batch}": refused.reason for refused in evidence.batches.refused}
    return gaps
