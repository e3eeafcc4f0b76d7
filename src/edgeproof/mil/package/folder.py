"""The ``.mlpackage`` folder: its manifest names the model file and the weights; nothing may lie outside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeproof.errors import ArtifactError

__all__ = ["Package", "open_folder"]

MODEL_LIMIT = 2**31
"""Bytes; protobuf itself takes no more."""


@dataclass(frozen=True)
class Package:
    """An opened folder. ``weights``: the folder that blob file names begin at; None where there is none."""

    path: Path
    model: bytes
    weights: Path | None


def open_folder(path: Path) -> Package:
    """Read a package's manifest and model file.

    Raises:
        ArtifactError: no package, damaged, or one that points outside its folder.
    """
    if not path.is_dir():
        what = "is a file, and a package is a folder" if path.exists() else "is not there"
        raise ArtifactError(f"{path} {what}: expected an .mlpackage")
    manifest = _manifest(path)
    root = manifest.get("rootModelIdentifier")
    entries = manifest.get("itemInfoEntries")
    if not isinstance(entries, dict) or not isinstance(root, str) or root not in entries:
        raise ArtifactError(f"{path / 'Manifest.json'} does not name its root model")
    model = _inside(path, entries[root])
    if not model.is_file():
        raise ArtifactError(f"{path}: its model file {model.name} is not there")
    if model.stat().st_size > MODEL_LIMIT:
        raise ArtifactError(
            f"{path}: {model.name} has {model.stat().st_size:,} bytes; expected at most {MODEL_LIMIT:,}"
        )
    folders = [_inside(path, entry) for key, entry in entries.items() if key != root]
    weights = next((folder for folder in folders if folder.is_dir() and folder.name == "weights"), None)
    return Package(path, model.read_bytes(), weights)


def _manifest(path: Path) -> dict[str, Any]:
    file = path / "Manifest.json"
    try:
        if file.stat().st_size > 2**20:
            raise ArtifactError(f"{file} has {file.stat().st_size:,} bytes; a manifest is a few hundred")
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{path} has no Manifest.json: it is no .mlpackage") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{file} cannot be read: {error}") from error
    if not isinstance(manifest, dict):
        raise ArtifactError(f"{file} is not a manifest: expected a JSON object")
    return manifest


def _inside(path: Path, entry: object) -> Path:
    where = entry.get("path") if isinstance(entry, dict) else None
    if not isinstance(where, str) or not where or "\0" in where:
        raise ArtifactError(f"{path / 'Manifest.json'} has an item without a path")
    data = (path / "Data").resolve()
    target = (data / where).resolve()
    if not target.is_relative_to(data):
        raise ArtifactError(f"{path}: the manifest points outside the package: {where}")
    return target
