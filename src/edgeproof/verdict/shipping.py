"""What ships with a candidate: its artifact, and the libraries of its runtime on a device class. Judges nothing."""

from __future__ import annotations

from edgeproof.documents.device import DeviceClass, ships_as
from edgeproof.documents.shipping import RuntimeSize
from edgeproof.verdict.cases import Case
from edgeproof.verdict.figures import told

__all__ = ["runtime_of", "ships_bytes", "ships_unknown", "ships_words", "size_words"]


def runtime_of(case: Case, device: DeviceClass) -> RuntimeSize | None:
    """What the candidate's format needs on the device class; None where the run has not recorded it."""
    shipping = case.evidence.shipping
    return shipping.of(case.format, ships_as(device)) if shipping is not None else None


def ships_bytes(case: Case, device: DeviceClass) -> int | None:
    """Bytes of everything that ships to the device class: artifact, runtime and delegate libraries, uncompressed.

    None where the artifact or its runtime has no known size: ``ships_unknown`` says which.
    """
    artifact, runtime = told("conversion.bytes")(case), runtime_of(case, device)
    if artifact is None or runtime is None or runtime.bytes is None:
        return None
    return int(artifact) + runtime.bytes


def ships_unknown(case: Case, device: DeviceClass) -> str:
    """Why it is not known what ships to the device class."""
    if told("conversion.bytes")(case) is None:
        return "the artifact has no size"
    runtime = runtime_of(case, device)
    if runtime is None:
        return "the run has not recorded what its runtimes take"
    return f"the runtime's size is not known: {runtime.unknown}"


def ships_words(case: Case, device: DeviceClass) -> str:
    """The sum in words, for a point of a policy: ``29.4 MB: artifact 0.05, ONNX Runtime 29.4``."""
    total, runtime = ships_bytes(case, device), runtime_of(case, device)
    if total is None or runtime is None:
        return ships_unknown(case, device)
    parts = [f"artifact {megabytes(total - (runtime.bytes or 0))}"]
    parts += [
        f"{library.name} {megabytes(library.bytes)}{' (quoted)' if library.how == 'quoted' else ''}"
        for library in runtime.libraries
    ]
    return f"{megabytes(total)} MB: {', '.join(parts)}"


def megabytes(size: int) -> str:
    return f"{size / 1e6:.3g}" if size < 1e8 else f"{size / 1e6:.0f}"


def size_words(size: int) -> str:
    """``3.27 MB``, and kB below one."""
    return f"{megabytes(size)} MB" if size >= 1e6 else f"{size / 1e3:.3g} kB"
