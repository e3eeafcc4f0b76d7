"""An artifact that is an engine of ours, found and opened with neither torch nor numpy: a process that starts for one
call has no time for them."""

from __future__ import annotations

import json

from edgeproof.errors import ArtifactError
from edgeproof.spike.runtime.native import Port
from edgeproof.spike.runtime.session import NativeSession

TYPE_CHECKING = False  # typing alone takes as long as the rest of this file
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

__all__ = ["open_engine"]

SUFFIX = ".so"
DOCUMENT = "artifact.json"
"""``ArtifactDocument.FILE``, whose module takes longer to import than an engine to open."""


def open_engine(path: Path) -> NativeSession | None:
    """A session of the engine that ``path`` is, or that an artifact's folder holds; None where it is something else.

    Raises:
        ArtifactError: the artifact's document cannot be read; not for this machine, or not one of ours.
    """
    folder = path if path.is_dir() else path.parent
    alone = path.suffix == SUFFIX and path.is_file()
    document = folder / DOCUMENT
    if not alone and (not path.is_dir() or not document.is_file()):
        return None
    told = _read(document) if document.is_file() else {}
    library = path if alone else folder / str(told.get("file"))
    if library.suffix != SUFFIX or not library.is_file():
        return None
    return NativeSession(library, inputs=_ports(told.get("inputs")), outputs=_ports(told.get("outputs")))


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error
    return told if isinstance(told, dict) else {}


def _ports(told: Any) -> list[Port]:
    try:
        return [Port(entry["tensor"]["name"], tuple(map(int, entry["tensor"]["shape"]))) for entry in told]
    except (TypeError, KeyError, ValueError):
        return []
