"""A package of source, written into a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from edgeproof.errors import UsageError
from edgeproof.spike.source_packages.android import android_files
from edgeproof.spike.source_packages.cmake import cmake_files
from edgeproof.spike.source_packages.naming import Naming, naming
from edgeproof.spike.source_packages.swift import swift_files
from edgeproof.spike.toolchain.description import Description, read_description

__all__ = ["PACKAGES", "write_source_package"]

PACKAGES: Mapping[str, Callable[[Description, Naming, str, str], Mapping[str, str]]] = {
    "cmake": cmake_files,
    "android": android_files,
    "swift": swift_files,
}


def write_source_package(c: Path, kind: str, out: Path) -> list[Path]:
    """Write a package around an engine.

    Args:
        c: its generated ``.c``; the ``.h`` stands beside it.
        kind: a key of ``PACKAGES``.
        out: folder; made if need be. Files that a package does not have are left alone.

    Returns:
        the files, in order of their paths.

    Raises:
        UsageError: the folder holds the source itself.
        ArtifactError: the ``.c`` is not a generated engine.
    """
    if out.resolve() == c.parent.resolve():
        raise UsageError(f"{out} holds the engine's source; a package needs a folder of its own")
    told = read_description(c)
    files = PACKAGES[kind](told, naming(told), c.read_text(), c.with_suffix(".h").read_text())
    for path, text in sorted(files.items()):
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(text)
    return [out / path for path in sorted(files)]
