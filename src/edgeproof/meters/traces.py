"""A trace's file: the document and its arrays, written and read together; the gaps in them found."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeproof.documents.base import read_document, write_document
from edgeproof.documents.power import Gap, PowerTrace
from edgeproof.errors import DocumentError
from edgeproof.files import write_bytes
from edgeproof.trust import lies_in

__all__ = ["Times", "Trace", "Watts", "gaps_of", "named", "read_trace", "write_trace"]

Times = npt.NDArray[np.int64]
Watts = npt.NDArray[np.float64]

GAP_INTERVALS = 5.0
"""A pause so many times as long as the usual one between samples is a gap."""
SHORTEST_NS = 1_000_000
"""A pause below this is none, however quick the meter: what a millisecond holds, no held load of seconds feels."""
HEADER_BYTES = 256
"""Before the numbers of an array, at most."""
MOST_GAPS = 1000
"""In a document; more say nothing more."""


@dataclass(frozen=True)
class Trace:
    """A trace with its arrays."""

    document: PowerTrace
    unix_ns: Times
    watts: Watts


def gaps_of(unix_ns: Times, rate_hz: float | None = None) -> tuple[Gap, ...]:
    """Pauses longer than five of the usual intervals: the median one, or the nominal one where that is longer."""
    if len(unix_ns) < 3:
        return ()
    pauses = np.diff(unix_ns)
    usual = max(float(np.median(pauses)), 0.0 if not rate_hz else 1e9 / rate_hz)
    wide = np.flatnonzero(pauses > max(GAP_INTERVALS * usual, SHORTEST_NS))
    return tuple(Gap(int(unix_ns[at]), int(unix_ns[at + 1])) for at in wide[:MOST_GAPS])


def packed(unix_ns: Times, watts: Watts) -> bytes:
    """The arrays as they stand in a file: the same bytes for the same samples."""
    file = io.BytesIO()
    np.savez_compressed(file, unix_ns=unix_ns.astype(np.int64), watts=watts.astype(np.float64))
    return file.getvalue()


def named(document: PowerTrace, unix_ns: Times, watts: Watts) -> PowerTrace:
    """The document with the sum of its arrays, by which a run names it."""
    return msgspec.structs.replace(document, sha256=hashlib.sha256(packed(unix_ns, watts)).hexdigest())


def write_trace(path: Path, document: PowerTrace, unix_ns: Times, watts: Watts) -> PowerTrace:
    """Write ``path`` and the arrays beside it, and give the document as written: counts, times and sum are the arrays'.

    Args:
        path: of the document; ``NAME.json`` has its arrays in ``NAME.npz``.
        document: what is known beside the arrays.
        unix_ns: ascending.
        watts: as many.

    Raises:
        DocumentError: there is no sample, or the times do not ascend.
    """
    if not len(unix_ns) or len(unix_ns) != len(watts):
        raise DocumentError("a trace without samples says nothing: the meter gave none")
    if np.any(np.diff(unix_ns) <= 0):
        raise DocumentError("the times of a trace must ascend")
    data = packed(unix_ns, watts)
    raw = path.with_suffix(".npz")
    write_bytes(raw, data)
    written = msgspec.structs.replace(
        document,
        count=len(unix_ns),
        begin_unix_ns=int(unix_ns[0]),
        end_unix_ns=int(unix_ns[-1]),
        raw=raw.name,
        sha256=hashlib.sha256(data).hexdigest(),
    )
    write_document(path, written)
    return written


def read_trace(path: Path) -> Trace:
    """Read a trace and its arrays.

    Raises:
        DocumentError: one of them is missing or damaged, or the arrays are not those that the document speaks of.
    """
    document = read_document(path, PowerTrace)
    if not lies_in(path.parent, document.raw):
        raise DocumentError(f"{path} names {document.raw}, which lies outside its folder")
    raw = path.parent / document.raw
    try:
        data = raw.read_bytes()
    except OSError as error:
        raise DocumentError(f"cannot read {raw}, the samples of {path.name}: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != document.sha256:
        raise DocumentError(f"{raw} is not what {path.name} was written with: its sha256 differs")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > 2 * (8 * document.count + HEADER_BYTES):
            raise DocumentError(f"{raw} is larger than the {document.count} samples that {path.name} speaks of")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            unix_ns: npt.NDArray[Any] = arrays["unix_ns"]
            watts: npt.NDArray[Any] = arrays["watts"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DocumentError(f"{raw} has no samples: {error}") from error
    whole = unix_ns.dtype == np.int64 and watts.dtype == np.float64 and unix_ns.ndim == 1
    if not whole or unix_ns.shape != watts.shape or len(unix_ns) != document.count or np.any(np.diff(unix_ns) <= 0):
        raise DocumentError(f"{raw} is no table of ascending times and as many watts")
    return Trace(document, unix_ns, watts)
