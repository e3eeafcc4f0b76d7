"""Which converted artifact is worth serving."""

from __future__ import annotations

from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.validation import ValidationDocument

__all__ = ["best_converted"]


def best_converted(
    conversion: ConversionDocument, validation: ValidationDocument, host: DeviceDocument | None
) -> tuple[str, str] | None:
    """(candidate, artifact) of the fastest on this host among the converted ones that passed; None without one."""
    sdk = {result.candidate for result in conversion.candidates if result.sdk}
    medians = {
        measured.candidate: measured.steady.median_us
        for measured in (host.measurements if host else ())
        if measured.steady is not None
    }
    passed = [
        (medians[result.candidate], result.candidate, result.artifact)
        for result in validation.results
        if result.status == "passed" and result.artifact and result.candidate in medians and result.candidate not in sdk
    ]
    if not passed:
        return None
    _, candidate, artifact = min(passed)
    return candidate, artifact
