"""What of a run can run on a device: each candidate exists for its kind of processor, is built for it, or is left out
with the reason. What a step of packaging says is never held against a candidate: it is skipped, and has not failed."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgeproof.devices.base import Place, Target
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.device import DeviceClass, ships_as
from edgeproof.errors import EdgeProofError, UnsupportedError
from edgeproof.formats.base import Format
from edgeproof.formats.registry import artifact_document
from edgeproof.trust import hold
from edgeproof.verdict.shipping import size_words

__all__ = ["Chosen", "choose"]

SPARE = 1.2
"""What a process takes beside its artifact, at the very least, and a disk beside a file."""


@dataclass(frozen=True)
class Chosen:
    """A candidate that a device can run.

    Attributes:
        target: the artifact, as the device is given it.
        here: the artifact of this machine.
        document: what describes that.
        kind: its format.
        built: sha256 of what was built for the device; None where it is the same file.
        timed_only: whether what runs it there gives times and no outputs.
    """

    target: Target
    here: Path
    document: ArtifactDocument
    kind: Format
    built: str | None = None
    timed_only: bool = False


def choose(
    targets: Sequence[Target], place: Place, device_class: DeviceClass, folder: Path, *, trust: bool = False
) -> tuple[list[Chosen], dict[str, str]]:
    """The candidates that exist for a device, in order, and why the others do not.

    Args:
        targets: candidates with this machine's artifacts.
        place: the device.
        device_class: what it stands for.
        folder: for what has to be built for it.
        trust: whether artifacts of unknown origin may run code.
    """
    chosen: list[Chosen] = []
    skipped: dict[str, str] = {}
    for target in targets:
        try:
            document, beside, kind = artifact_document(target.artifact, trust=trust)
            hold(beside, document.file, document.sha256, document.beside)
            found = Chosen(target, target.artifact, document, kind)
            chosen.append(_fitted(found, place, device_class, folder / target.candidate))
        except EdgeProofError as error:
            skipped[target.candidate] = str(error)
        except _Unfit as unfit:
            skipped[target.candidate] = str(unfit)
    return chosen, skipped


class _Unfit(Exception):
    """Why a candidate does not exist for the device."""


def _fitted(found: Chosen, place: Place, device_class: DeviceClass, out: Path) -> Chosen:
    kind, document = found.kind, found.document
    if device_class != "host" and ships_as(device_class) not in kind.platforms:
        raise _Unfit(f"{kind.title} does not ship there")
    folder = found.here if found.here.is_dir() else found.here.parent
    if (folder / ArtifactDocument.FILE).is_file():  # what describes it travels with it
        found = replace(found, target=replace(found.target, artifact=folder))
    size = document.bytes
    if place.disk_bytes is not None and SPARE * size > place.disk_bytes:
        raise _Unfit(f"it takes {size_words(size)}, and {size_words(place.disk_bytes)} are free on the device's disk")
    if place.memory_bytes is not None and SPARE * size > place.memory_bytes:
        raise _Unfit(f"it takes {size_words(size)}, and the device has {size_words(place.memory_bytes)} of memory free")
    if document.file.endswith(place.taken):
        return found
    if place.python is None:
        return _program(found, place, out)
    if place.architecture == platform.machine():
        return found
    try:
        built = kind.built_for(place.architecture, found.here, document, out)
    except EdgeProofError as error:
        raise _Unfit(f"not built for {place.architecture}: {error}") from error
    if built == found.here:
        return found
    return _built(found, built)


def _program(found: Chosen, place: Place, out: Path) -> Chosen:
    """What runs by itself there."""
    try:
        return _built(found, found.kind.program_for(place.architecture, found.here, found.document, out))
    except UnsupportedError as error:
        if found.document.file.endswith(place.timed_only) and found.document.loop is None:
            return replace(found, timed_only=True)
        raise _Unfit("there is no Python 3.11 or newer there, and it has no program of its own") from error
    except EdgeProofError as error:
        raise _Unfit(f"not built for {place.architecture}: {error}") from error


def _built(found: Chosen, built: Path) -> Chosen:
    told = artifact_document(built)[0]
    return replace(found, target=replace(found.target, artifact=built), built=told.sha256)
