"""The run folder: where a run's documents and files live. Every write is atomic; a killed run can be resumed.

Knows paths and documents, not what the phases do.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from edgeproof.documents.base import Document, decode, encode
from edgeproof.documents.manifest import Manifest
from edgeproof.errors import DocumentError, RunFolderError

__all__ = ["RunDir", "atomic_path", "utc_now", "write_bytes", "write_document"]

D = TypeVar("D", bound=Document)

DEFAULT_ROOT = Path("bench_output/edge_phase_runs")


def utc_now() -> str:
    """The time now, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder that becomes ``path`` when the block ends well, and vanishes when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_document(path: Path, document: Document) -> None:
    """Write a document whole or not at all."""
    write_bytes(path, encode(document))


class RunDir:
    """One run's folder. Paths inside documents are relative to ``root``."""

    manifest_name = "manifest.json"

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def create(cls, manifest: Manifest, out: Path | None = None) -> RunDir:
        """A new folder: ``out``, or ``bench_output/edge_phase_runs/<YYYYmmdd-HHMMSS>``.

        Raises:
            RunFolderError: ``out`` holds files already.
        """
        if out is None:
            stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
            out, count = DEFAULT_ROOT / stamp, 1
            while out.exists():
                count += 1
                out = DEFAULT_ROOT / f"{stamp}-{count}"
        elif out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RunFolderError(
                f"{out} exists and is not an empty folder",
                hint=f"choose another --out, or continue it with: edgeproof run --resume {out}",
            )
        out.mkdir(parents=True, exist_ok=True)
        run = cls(out)
        run.write(cls.manifest_name, manifest)
        return run

    @classmethod
    def open(cls, root: Path) -> RunDir:
        """An existing run.

        Raises:
            RunFolderError: there is no readable manifest.
        """
        run = cls(root)
        if not (root / cls.manifest_name).is_file():
            raise RunFolderError(
                f"{root} is not a run folder: it has no {cls.manifest_name}",
                hint="give a folder that `edgeproof run` made",
            )
        run.manifest()
        return run

    def manifest(self) -> Manifest:
        """The run's manifest."""
        try:
            return self.read(self.manifest_name, Manifest)
        except DocumentError as error:
            raise RunFolderError(f"{self.root}: {error.message}", hint=error.hint) from error

    def path(self, relative: str) -> Path:
        """``relative`` inside this folder."""
        return self.root / relative

    def relative(self, path: Path) -> str:
        """``path`` as the documents write it."""
        return path.resolve().relative_to(self.root.resolve()).as_posix()

    def has(self, relative: str) -> bool:
        """Whether the file is there."""
        return self.path(relative).is_file()

    def read(self, relative: str, kind: type[D]) -> D:
        """Read a document.

        Raises:
            DocumentError: it is missing or not valid.
        """
        try:
            raw = self.path(relative).read_bytes()
        except OSError as error:
            raise DocumentError(f"cannot read {self.path(relative)}: {error.strerror}") from error
        return decode(raw, kind)

    def read_if_there(self, relative: str, kind: type[D]) -> D | None:
        """Read a document, or None when its phase has not written it."""
        return self.read(relative, kind) if self.has(relative) else None

    def write(self, relative: str, document: Document) -> Path:
        """Write a document atomically and give its path."""
        path = self.path(relative)
        write_document(path, document)
        return path
