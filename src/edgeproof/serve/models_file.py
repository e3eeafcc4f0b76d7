"""A TOML file that names the models of one server::

[[model]]
name = "digits"
artifact = "out/sdk-native"

[[model]]
artifact = "gru.onnx"
threads = 2
states = { h = "h_next" }
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from edgeproof.documents.source import absolute_address
from edgeproof.errors import UsageError
from edgeproof.serve.opening import Opening, is_artifact, name_of

__all__ = ["read_models"]

EXAMPLE = 'such as [[model]] with name = "digits" and artifact = "out/sdk-native"'


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model."""

    artifact: str | None = None
    """File or folder, from the folder of this file."""
    model: str | None = None
    """Instead: a MODEL that runs in PyTorch."""
    name: str | None = None
    """In the URL; default: the file's."""
    threads: int = 1
    states: dict[str, str] = {}
    sequences: int = 64
    sequence_seconds: float = 300.0
    trust: bool = False


class ModelsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    model: list[Entry]


def read_models(file: Path, *, trust: bool = False) -> list[Opening]:
    """The models that a file names.

    Args:
        trust: whether each may run code that this user did not make.

    Raises:
        UsageError: it cannot be read, or is not such a file; an artifact is not there.
    """
    try:
        found = msgspec.convert(tomllib.loads(file.read_text("utf-8")), ModelsFile)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{file} cannot be read as a file of models: {error}", hint=EXAMPLE) from error
    return [opening(entry, file, place, trust=trust) for place, entry in enumerate(found.model, 1)]


def opening(entry: Entry, file: Path, place: int, *, trust: bool) -> Opening:
    """What an entry asks for.

    Raises:
        UsageError: it names none, or both, or an artifact that is not there; a number below 1.
    """
    which = f"model {place} of {file}"
    if (entry.artifact is None) == (entry.model is None):
        raise UsageError(f"{which} needs one of artifact and model", hint=EXAMPLE)
    if entry.threads < 1 or entry.sequences < 1 or entry.sequence_seconds <= 0:
        raise UsageError(f"{which}: expected threads and sequences of 1 or more, and sequence_seconds above 0")
    address = absolute_address(entry.model or "", file.parent.resolve())
    if entry.artifact is not None:
        path = file.parent / entry.artifact
        if not is_artifact(str(path)):
            raise UsageError(f"{which}: there is no artifact {path}")
        address = str(path)
    source = {"model": address, "trust": trust or entry.trust, "folder": str(file.parent.resolve())}
    return Opening(
        name=entry.name or name_of(address),
        source=source,
        threads=entry.threads,
        states=entry.states,
        sequences=entry.sequences,
        sequence_seconds=entry.sequence_seconds,
    )
