"""Which converted artifact is worth serving in the local proof. The verdict asks for more; see ``contest``."""

from __future__ import annotations

from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.validation import ValidationDocument

__all__ = ["best_converted"]


def best_converted(
    conversion: ConversionDocument, validation: ValidationDocument, host: DeviceDocument | None
) -> tuple[str, str] | None:
    """(candidate, artifact) of the fastest on this host among the converted ones that passed; None without one."""
    own = {result.candidate for result in conversion.candidates if result.sdk or result.eager}
    measured = host.measurements if host is not None else ()
    medians = {found.candidate: found.steady.median_us for found in measured if found.steady is not None}
    passed = [
        (medians[result.candidate], result.candidate, result.artifact)
        for result in validation.results
        if result.status == "passed" and result.artifact and result.candidate in medians and result.candidate not in own
    ]
    return min(passed)[1:] if passed else None
