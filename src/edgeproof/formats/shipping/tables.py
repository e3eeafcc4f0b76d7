"""The tables of libraries: a TOML file a format, read into documents; this host's own are measured where they lie.

A table has ``[host]``, the distribution and the files in it that a C or C++ application needs; a ``[[library]]`` for
each library of another device class, with its version, bytes and source; ``[class.note]`` and ``[class.unknown]``; and
a ``[[reduced]]`` for each way to build the runtime with the operators of one artifact alone.
"""

from __future__ import annotations

import fnmatch
import tomllib
from importlib import metadata, resources
from pathlib import Path

import msgspec

from edgeproof.documents.base import Value
from edgeproof.documents.device import DEVICE_CLASSES, DeviceClass
from edgeproof.documents.shipping import Library, ReducedBuild, RuntimeSize
from edgeproof.errors import DocumentError

__all__ = ["Table", "read_table", "runtime_sizes"]


class Listed(Library, frozen=True, kw_only=True, rename={"device_class": "class"}):
    """A library of the table with its device class."""

    device_class: DeviceClass


class Installed(Value, frozen=True, kw_only=True):
    """Which installed files are the runtime on this host."""

    distribution: str
    runtime: tuple[str, ...]
    """Patterns of files, as the distribution names them; a library has one suffix on Linux and another on macOS."""
    delegate: tuple[str, ...] = ()


class Table(Value, frozen=True, kw_only=True):
    """One format's."""

    host: Installed | None = None
    library: tuple[Listed, ...] = ()
    note: dict[DeviceClass, str] = msgspec.field(default_factory=dict)
    unknown: dict[DeviceClass, str] = msgspec.field(default_factory=dict)
    reduced: tuple[ReducedBuild, ...] = ()


def read_table(name: str) -> Table:
    """A table of this package, by its file's name.

    Raises:
        DocumentError: it is not as a table is.
    """
    text = resources.files("edgeproof.formats.shipping").joinpath(name).read_text()
    try:
        return msgspec.convert(tomllib.loads(text), Table)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise DocumentError(f"{name} is no table of libraries: {error}") from error


def runtime_sizes(name: str, table: Table, classes: tuple[str, ...]) -> tuple[RuntimeSize, ...]:
    """What a format's artifacts need on each of the device classes that it ships to.

    Args:
        name: the format's.
        table: its table.
        classes: where it ships to.
    """
    return tuple(_size(name, table, device) for device in DEVICE_CLASSES if device in classes)


def _size(name: str, table: Table, device: DeviceClass) -> RuntimeSize:
    note, unknown = table.note.get(device), table.unknown.get(device)
    libraries = tuple(_plain(found) for found in table.library if found.device_class == device)
    if device == "host" and table.host is not None:
        libraries = installed(table.host)
        if not libraries:
            unknown = f"the files of {table.host.distribution} are not installed here as they were expected"
    if not libraries and note is None and unknown is None:
        unknown = "no table has it"
    return RuntimeSize(format=name, device_class=device, libraries=libraries, note=note, unknown=unknown)


def _plain(listed: Listed) -> Library:
    return Library(**{field: getattr(listed, field) for field in Library.__struct_fields__})


def installed(wanted: Installed) -> tuple[Library, ...]:
    """The runtime's files on this host, each with its size on the disk; empty where a part of it is missing."""
    try:
        distribution = metadata.distribution(wanted.distribution)
    except metadata.PackageNotFoundError:
        return ()
    files = [str(file) for file in distribution.files or ()]
    version = f"{wanted.distribution} {distribution.version}"
    found: list[Library] = []
    for role, patterns in (("runtime", wanted.runtime), ("delegate", wanted.delegate)):
        for pattern in patterns:
            names = [name for name in files if fnmatch.fnmatch(name, pattern)]
            paths = [path for name in names if (path := Path(str(distribution.locate_file(name)))).is_file()]
            if not paths:
                return ()
            found.append(
                Library(
                    name=paths[0].name if len(paths) == 1 else f"{wanted.distribution}, {len(paths):,} files",
                    role="delegate" if role == "delegate" else "runtime",
                    version=distribution.version,
                    bytes=sum(path.stat().st_size for path in paths),
                    how="measured here",
                    source=f"{names[0] if len(names) == 1 else pattern} of {version}",
                )
            )
    return tuple(found)
