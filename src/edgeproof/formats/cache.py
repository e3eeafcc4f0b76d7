"""Conversions that were made before, by what went into them: the exported program, the samples, the precision, the
versions of all that is installed. What comes out is held against its hashes like any other artifact.

An entry is a folder that is whole or not there, so that runs share the cache and one that is killed leaves it whole.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

import edgeproof
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import decode, read_marked
from edgeproof.documents.spine import SpineDocument
from edgeproof.errors import EdgeProofError
from edgeproof.files import atomic_folder, user_cache, utc_now
from edgeproof.formats.base import Format
from edgeproof.formats.here import everything_here
from edgeproof.formats.worker import Job, Outcome
from edgeproof.trust import fingerprint, hold

__all__ = ["Conversions", "Kept", "default_conversions"]

SWITCH = "EDGEPROOF_CACHE"
"""``off`` in the environment: nothing is taken from the cache, and nothing is left in it."""
MOST_BYTES = 4 << 30
ENTRY, ARTIFACT = "entry.json", "artifact"
BUILDING = ".building-"
GONE_S = 24 * 3600.0
"""After which a folder that somebody was building is nobody's any more."""
UNTOLD = ("mark", "seconds", "program_sha256")
"""Of an exported program's document: what is another in each export of the same."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """``entry.json``: what a conversion was, and what it has cost.

    Attributes:
        candidate: that it is.
        model: as the exported program names it.
        made: when, ISO 8601 in UTC.
        edgeproof: version.
        seconds: that it took.
        peak_memory_bytes: of its process.
        bytes: of the entry.
    """

    candidate: str
    model: str
    made: str
    edgeproof: str
    seconds: float
    peak_memory_bytes: int | None
    bytes: int


@dataclass(frozen=True)
class Conversions:
    """The cache.

    Attributes:
        folder: a folder an entry, named by its key.
        most_bytes: of all entries; those that were not used for longest go first.
    """

    folder: Path
    most_bytes: int = MOST_BYTES

    def key(self, job: Job, found: Format) -> str | None:
        """What a conversion is made of, as a sha256; None where that cannot be told.

        The exported program goes in by its members, because an archive has times of its own.
        """
        if not found.kept:
            return None
        whole = hashlib.sha256()
        try:
            for part in _ingredients(job, found):
                whole.update(f"{part}\n".encode())
        except (OSError, EdgeProofError, zipfile.BadZipFile):
            return None
        return whole.hexdigest()

    def take(self, key: str, job: Job) -> Kept | None:
        """Put an artifact that was made before where the job wants it; None where there is none, or it is damaged."""
        entry = self.folder / key
        try:
            kept = msgspec.json.decode((entry / ENTRY).read_bytes(), type=Kept)
            with atomic_folder(Path(job.folder)) as building:
                shutil.copytree(entry / ARTIFACT, building, dirs_exist_ok=True)
                document, ours = read_marked(building / ArtifactDocument.FILE, ArtifactDocument)
                if not ours:
                    raise msgspec.ValidationError("somebody else's")
                hold(building, document.file, document.sha256, {**document.beside, **document.sources})
            os.utime(entry)
        except FileNotFoundError:
            return None
        except (OSError, EdgeProofError, msgspec.MsgspecError, shutil.Error):
            shutil.rmtree(entry, ignore_errors=True)
            return None
        return kept

    def keep(self, key: str, job: Job, outcome: Outcome) -> None:
        """Leave what a job has made; what cannot be left is not."""
        made = Path(job.folder)
        with contextlib.suppress(OSError, EdgeProofError, shutil.Error):
            _, size = fingerprint(made)
            if size > self.most_bytes // 4:
                return
            self.folder.mkdir(parents=True, exist_ok=True)
            building = Path(tempfile.mkdtemp(prefix=BUILDING, dir=self.folder))
            try:
                shutil.copytree(made, building / ARTIFACT)
                kept = Kept(
                    candidate=job.candidate,
                    model=_spine(job).model,
                    made=utc_now(),
                    edgeproof=edgeproof.__version__,
                    seconds=round(outcome.seconds, 3),
                    peak_memory_bytes=outcome.peak_memory_bytes,
                    bytes=size,
                )
                (building / ENTRY).write_bytes(msgspec.json.encode(kept))
                building.rename(self.folder / key)  # fails where somebody else has left the same
            finally:
                shutil.rmtree(building, ignore_errors=True)
            self._trim()

    def entries(self) -> list[tuple[Path, Kept]]:
        """Every whole entry, the one that was used last first."""
        found = [(_used(path), path, kept) for path, kept in self._read()]
        return [(path, kept) for _, path, kept in sorted(found, key=lambda each: -each[0])]

    def clear(self) -> int:
        """Remove all; returns the bytes of the entries that there were."""
        freed = sum(kept.bytes for _, kept in self.entries())
        shutil.rmtree(self.folder, ignore_errors=True)
        return freed

    def _read(self) -> Iterator[tuple[Path, Kept]]:
        for path in self.folder.glob(f"[!.]*/{ENTRY}"):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                yield path.parent, msgspec.json.decode(path.read_bytes(), type=Kept)

    def _trim(self) -> None:
        total = 0
        for path, kept in self.entries():
            total += kept.bytes
            if total > self.most_bytes:
                shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob(f"{BUILDING}*"):
            newest = max((_used(part) for part in (path, *path.rglob("*"))), default=0.0)
            if newest < time.time() - GONE_S:
                shutil.rmtree(path, ignore_errors=True)


def default_conversions() -> Conversions | None:
    """This user's; None where the environment switches it off."""
    return None if os.environ.get(SWITCH) == "off" else Conversions(user_cache() / "conversions")


def _ingredients(job: Job, found: Format) -> Iterator[str]:
    spine = Path(job.spine)
    document = msgspec.to_builtins(_spine(job))
    yield msgspec.json.encode({name: value for name, value in document.items() if name not in UNTOLD}).decode()
    for archive in sorted((*spine.glob("*.pt2"), *spine.glob("*.npz"), *spine.glob("*.pt"))):
        state = archive.stat()
        yield from _members(archive, state.st_mtime_ns, state.st_size)
    yield fingerprint(Path(job.samples))[0]
    yield from (job.candidate, job.format, job.precision, job.name)
    if job.base is not None and Path(job.base).exists():
        base = decode(Path(job.base).with_name(ArtifactDocument.FILE).read_bytes(), ArtifactDocument)
        yield f"{base.sha256} {sorted(base.beside.items())}"
    yield everything_here()
    if (theirs := _source_of(found)) is not None:
        yield fingerprint(theirs)[0]


def _spine(job: Job) -> SpineDocument:
    return decode((Path(job.spine) / SpineDocument.FILE).read_bytes(), SpineDocument)


@functools.lru_cache(maxsize=64)
def _members(archive: Path, _modified_ns: int, _bytes: int) -> tuple[str, ...]:
    """Read once for all candidates that are made of it, as long as it stays as it is."""
    with zipfile.ZipFile(archive) as opened:
        return tuple(f"{name} {hashlib.sha256(opened.read(name)).hexdigest()}" for name in sorted(opened.namelist()))


def _source_of(found: Format) -> Path | None:
    """The file of a format that another package brings."""
    module = sys.modules.get(type(found).__module__)
    file = getattr(module, "__file__", None)
    return Path(file) if file and not type(found).__module__.startswith("edgeproof.") else None


def _used(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0
