"""Files and folders that are whole or not there at all: every write goes beside its place and is renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["atomic_folder", "atomic_path", "building_folder", "user_cache", "user_folder", "utc_now", "write_bytes"]


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


def user_folder(variable: str, usual: str) -> Path:
    """Our folder among the user's (XDG Base Directory Specification: a relative path is none).

    Args:
        variable: that names where.
        usual: where, if it does not.
    """
    named = Path(os.environ.get(variable, ""))
    return (named if named.is_absolute() else Path(usual).expanduser()) / "edgeproof"


def user_cache() -> Path:
    """This user's folder for what can be made again."""
    return user_folder("XDG_CACHE_HOME", "~/.cache")


def building_folder(folder: Path) -> Path:
    """Where a folder is made, before it is moved to its place as a whole."""
    return folder.with_name(f".{folder.name}.building")


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside it that takes the place of ``folder`` when the block ends well, and vanishes when not."""
    building = building_folder(folder)
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        yield building
        shutil.rmtree(folder, ignore_errors=True)
        building.replace(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
