"""What ships with each candidate: the artifact, and the sum with its libraries per device class; and what figures of
memory and start contain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edgeproof.documents.device import DEVICE_CLASSES, DeviceClass
from edgeproof.documents.evaluation import CandidateRow, Evidence
from edgeproof.documents.shipping import Library, RuntimeSize, ShippingDocument
from edgeproof.report.classes import titles
from edgeproof.report.columns import Field, Notes, figured, named, table_of, worded
from edgeproof.report.content import DEVICE_TITLES, Cell, Column, Shipping, Table
from edgeproof.report.quantities import byte_size, scaled, significant
from edgeproof.verdict.figures import told

__all__ = ["contents", "section"]

TARGETS: dict[DeviceClass, str] = {
    "host": "this host",
    "raspberry-pi": "arm64 Linux",
    "android": "arm64",
    "iphone": "arm64",
    "linux": "arm64 Linux",
}
CAPTION = (
    "The artifact, and what an application in C or C++ ships with it: artifact, runtime and delegate libraries, "
    "uncompressed. ≈ stands before a sum with a figure that was quoted and not measured."
)
LIBRARIES = "The libraries that are counted."
ABSENT = Cell("does not ship there", tone="absent")


class Counted(NamedTuple):
    """A library with the format and device class that it is counted for."""

    runtime: RuntimeSize
    library: Library


def section(rows: Sequence[CandidateRow], shipping: ShippingDocument | None) -> Shipping | None:
    """The tables; None where the run has not recorded what its runtimes take.

    Args:
        rows: the candidates.
        shipping: what their runtimes take.
    """
    made = [row for row in rows if row.bytes is not None]
    if shipping is None or not made:
        return None
    return Shipping(
        sums=table_of("ships", CAPTION, (named("Candidate", told("candidate")), *_columns(made, shipping)), made),
        libraries=_libraries(shipping),
        notes=_notes(shipping),
    )


def _columns(rows: Sequence[CandidateRow], shipping: ShippingDocument) -> list[Field[CandidateRow]]:
    unit, show = scaled("bytes", [row.bytes for row in rows if row.bytes is not None])
    artifact: Field[CandidateRow] = figured("Artifact", unit, told("bytes"), show, raw="bytes")
    places = [device for device in DEVICE_CLASSES if any(device in row.platforms for row in rows)]
    return [artifact, *(_on(device, shipping) for device in places)]


def _on(device: DeviceClass, shipping: ShippingDocument) -> Field[CandidateRow]:
    def cell(row: CandidateRow, notes: Notes) -> Cell:
        if device not in row.platforms:
            return ABSENT
        total = row.ships.get(device)
        if total is None:
            return Cell("not known", note=notes.number(row.ships_unknown.get(device, "it has no size")), tone="absent")
        runtime = shipping.of(row.format, device)
        quoted = runtime is not None and not runtime.measured
        return Cell(f"{'≈ ' if quoted else ''}{significant(total / 1e6)}", value=total)

    return Field(Column(DEVICE_TITLES[device], f"MB, {TARGETS[device]}", "bytes"), cell)


def _libraries(shipping: ShippingDocument) -> Table:
    found = [Counted(known, library) for known in shipping.runtimes for library in known.libraries]
    fields: tuple[Field[Counted], ...] = (
        named("Format", lambda row: row.runtime.format),
        worded("Device", lambda row: DEVICE_TITLES[row.runtime.device_class]),
        worded("Library", told("library.name")),
        worded("Role", told("library.role")),
        worded("Version", told("library.version")),
        figured("Size", "MB", told("library.bytes"), lambda size: significant(size / 1e6), raw="bytes"),
        worded("Figure", told("library.how")),
        worded("Source", told("library.source")),
    )
    return table_of("libraries", LIBRARIES, fields, found)


def _notes(shipping: ShippingDocument) -> tuple[str, ...]:
    """What is counted in or out, each sentence once with the formats and device classes it is for."""
    by_note: dict[str, dict[str, list[DeviceClass]]] = {}
    for known in shipping.runtimes:
        if known.note is not None:
            by_note.setdefault(known.note, {}).setdefault(known.format, []).append(known.device_class)
    return tuple(
        f"{'; '.join(f'{name} ({titles(devices)})' for name, devices in formats.items())}: {note}."
        for note, formats in by_note.items()
    )


def contents(rows: Sequence[CandidateRow], evidence: Evidence) -> tuple[str, ...]:
    """What figures of memory, load and start contain, and what an application in C or C++ would not have."""
    if not any(row.peak_memory_bytes is not None or row.cold_start_ms is not None for row in rows):
        return ()
    lines = [
        "Peak memory is the most that one process had resident: Python and its packages, the runtime, the artifact and "
        "the samples at work. An application in C or C++ has no Python.",
        "Cold start runs from the start of a fresh process to its first result: Python's start and imports, loading, "
        "the first inference. Load is within it: the runtime's import, the check of the artifact's sha256, and opening "
        "it. In C or C++ Python's start and all imports fall away.",
    ]
    above = [row for row in rows if row.memory_above_python_bytes is not None]
    if above:
        lines[0] += " Above Python is what came on top once the artifact was opened: runtime, artifact, samples."
    else:
        least = min(
            (row for row in rows if row.peak_memory_bytes is not None), key=lambda row: row.peak_memory_bytes or 0
        )
        lines[0] += (
            f" Python and its packages are at most {byte_size(least.peak_memory_bytes or 0)} of it: "
            f"{least.candidate} has no more."
        )
    served = evidence.latency.served if evidence.latency is not None else ()
    if served:
        lines.append("The edge server's memory and cold start have the HTTP server and its codec in them as well.")
    return tuple(lines)
