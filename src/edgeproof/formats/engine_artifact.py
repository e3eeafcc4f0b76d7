"""An artifact that is an engine of ours, found and opened with neither torch nor numpy: a process that starts for one
call has no time for them."""

from __future__ import annotations

import json

from edgeproof.errors import ArtifactError
from edgeproof.spike.runtime.native import Port
from edgeproof.spike.runtime.session import NativeSession
from edgeproof.trust import ask_for_trust, hold, is_ours

TYPE_CHECKING = False  # typing alone takes as long as the rest of this file
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

__all__ = ["RUNS_CODE", "open_engine", "told_of"]

RUNS_CODE = "it is a shared library, and loading it runs the code inside"
SUFFIX = ".so"
DOCUMENT = "artifact.json"
"""``ArtifactDocument.FILE``, whose module takes longer to import than an engine to open."""


def open_engine(path: Path, *, trust: bool = False) -> NativeSession | None:
    """A session of the engine that ``path`` is, or that an artifact's folder holds; None where it is something else.

    Args:
        path: the library, or the artifact's folder.
        trust: whether a library that this user did not make may be loaded.

    Raises:
        ArtifactError: the artifact's document cannot be read, or describes another file; not for this machine, or not
            one of ours.
        TrustError: this user did not make it, and it is not trusted.
    """
    told = told_of(path)
    if told is None:
        if path.suffix != SUFFIX or not path.is_file():
            return None
        if not trust:
            raise ask_for_trust(str(path), runs=RUNS_CODE)
        return NativeSession(path)
    if not str(told.get("file")).endswith(SUFFIX):
        return None
    if not (trust or is_ours(told)):
        raise ask_for_trust(str(path), runs=RUNS_CODE)
    folder, beside = path if path.is_dir() else path.parent, told.get("beside")
    library = hold(folder, str(told["file"]), str(told.get("sha256")), beside if isinstance(beside, dict) else {})
    return NativeSession(library, inputs=_ports(told.get("inputs")), outputs=_ports(told.get("outputs")))


def told_of(path: Path) -> dict[str, Any] | None:
    """What the artifact's document says; None where there is none, or where it describes another file than ``path``."""
    folder = path if path.is_dir() else path.parent
    document = folder / DOCUMENT
    try:
        told = json.loads(document.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"cannot read {document}: {error}") from error
    if not isinstance(told, dict):
        raise ArtifactError(f"cannot read {document}: expected an object, found a {type(told).__name__}")
    return told if path.is_dir() or told.get("file") == path.name else None


def _ports(told: Any) -> list[Port]:
    try:
        return [Port(entry["tensor"]["name"], tuple(map(int, entry["tensor"]["shape"]))) for entry in told]
    except (TypeError, KeyError, ValueError):
        return []
