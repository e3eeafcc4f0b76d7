"""What a device's Python needs to run jobs, gathered here: this package, and the runtimes in the versions of this
machine as wheels of the device's kind. They are unpacked, not installed: no compiler and no index there."""

from __future__ import annotations

import contextlib
import hashlib
import platform
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import edgeproof
from edgeproof.devices.base import Place
from edgeproof.errors import DeviceError, ProcessError
from edgeproof.files import user_cache
from edgeproof.process import ask
from edgeproof.trust import fingerprint

__all__ = [
    "RUNNER_NEEDS",
    "WHEELS",
    "Packages",
    "as_here",
    "describe_ours",
    "gather",
    "ours",
    "unpack",
]

RUNNER_NEEDS = ("numpy", "msgspec", "packaging", "psutil", "protobuf", "safetensors")
"""What the runner needs, whichever the runtime."""
GLIBCS = ((2, 17), (2, 24), (2, 27), (2, 28), (2, 31), (2, 34), (2, 35), (2, 36), (2, 38), (2, 39))
"""Oldest versions that wheels are built for."""
FETCH_S = 1800
WHEELS = ("aarch64", "x86_64")
"""Architectures that the runtimes' wheels are published for, with glibc: elsewhere a Python is of no use but by its
user's word."""
HEAVY = ("torch",)
"""Never brought: its public wheels for ARM come with CUDA, gigabytes of it."""


@dataclass(frozen=True)
class Packages:
    """A folder of unpacked packages for a device.

    Attributes:
        folder: for its ``PYTHONPATH``.
        key: that names it, by what is in it.
    """

    folder: Path
    key: str

    @property
    def versions(self) -> dict[str, str]:
        """Of the packages in it, by name."""
        told = (path.name.removesuffix(".dist-info") for path in self.folder.glob("*.dist-info"))
        return {canonicalize_name(name): version for name, _, version in (text.rpartition("-") for text in told)}


def as_here(requirement: str) -> str:
    """A requirement at the version that is installed here."""
    name = Requirement(requirement).name
    try:
        return f"{name}=={metadata.version(name).partition('+')[0]}"
    except metadata.PackageNotFoundError:
        return requirement


def gather(
    requirement: str, place: Place, report: Callable[[str], None], *, beside: Packages | None = None
) -> Packages:
    """One requirement with all that it needs, unpacked for a device; taken from the cache where it is there already.

    A device with this machine's kind of processor and Python gets what is installed here; for any other, wheels are
    fetched from wherever pip finds packages.

    Args:
        requirement: ``onnxruntime``, or several joined by spaces.
        place: the device.
        report: takes a line of progress.
        beside: what is there already, and is left out.

    Raises:
        DeviceError: it is not to be had.
    """
    words = [as_here(word) for word in requirement.split()]
    if any(Requirement(word).name in HEAVY for word in words):
        raise DeviceError(
            "PyTorch is not brought to boards: it is hundreds of MB, and its public wheels for ARM come with CUDA",
            hint="install it there, and name that Python: ssh:user@host?python=PATH",
        )
    if place.python is None:
        raise DeviceError("there is no Python 3.11 or newer there")
    tag = f"{place.architecture}-{(place.libc or 'linux').replace(' ', '')}-py{place.python}"
    there = frozenset() if beside is None else frozenset(beside.versions)
    named = " ".join([*sorted(words), "beside", *sorted(there)])
    key = f"{tag}-{hashlib.sha256(named.encode()).hexdigest()[:12]}"
    folder = user_cache() / "packages" / key
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{key}.", dir=folder.parent) as building:
            making = Path(building) / key
            making.mkdir()
            if _as_this(place):
                copy_installed(words, making, there)
            else:
                report(f"fetching {', '.join(words)} for {tag}")
                fetch(words, place, making, there)
            with contextlib.suppress(OSError):  # another run has made the same meanwhile
                making.rename(folder)
    return Packages(folder, key)


def ours(folder: Path) -> Packages:
    """This package alone, with what tells its formats and devices; the folder's name follows its content."""
    source = Path(edgeproof.__file__).parent
    made = folder / "edgeproof"
    shutil.copytree(source, made, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    version = describe_ours(folder)
    return Packages(folder, f"edgeproof-{version}-{fingerprint(made)[0][:12]}")


def describe_ours(folder: Path) -> str:
    """Write what an installer would of this package, which is how its formats and devices are found; its version."""
    told = metadata.distribution("edgeproof")
    described = folder / f"edgeproof-{told.version}.dist-info"
    described.mkdir(exist_ok=True)
    for name in ("METADATA", "entry_points.txt"):
        (described / name).write_text(told.read_text(name) or "")
    return told.version


def copy_installed(requirements: Sequence[str], into: Path, there: Collection[str] = ()) -> None:
    """The files of installed packages, with those of all that they need but what is there.

    Raises:
        DeviceError: one is not installed.
    """
    waiting, seen = list(requirements), set(there)
    asked = {Requirement(text).name for text in requirements}
    while waiting:
        wanted = Requirement(waiting.pop())
        name = canonicalize_name(wanted.name)
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(wanted.name)
        except metadata.PackageNotFoundError as error:
            if wanted.name not in asked:
                continue  # it is asked for and not needed here, and so it is there
            raise DeviceError(f"{wanted.name} is not installed here", hint=f"pip install {wanted.name}") from error
        for file in found.files or ():
            source = Path(str(found.locate_file(file)))
            if ".." not in file.parts and file.suffix != ".pyc" and source.is_file():
                target = into / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        for text in found.requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(text)


def fetch(requirements: Sequence[str], place: Place, into: Path, there: Collection[str] = ()) -> None:
    """Wheels with all that they need but what is there, by this machine's pip and its settings, unpacked.

    Raises:
        DeviceError: one is not to be had.
    """
    fetched = into / ".wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(fetched)]
    command += ["--python-version", place.python or "", "--implementation", "cp"]
    command += [word for name in platforms(place) for word in ("--platform", name)]
    try:
        done = ask([*command, *requirements], timeout_s=FETCH_S)
    except ProcessError as error:
        raise DeviceError(f"fetching {', '.join(requirements)} took too long") from error
    if done.returncode:
        lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.startswith("ERROR")]
        reason = (lines or ["pip failed"])[-1].removeprefix("ERROR: ")
        raise DeviceError(f"{', '.join(requirements)} is not to be had for {place.architecture}: {reason}")
    for wheel in sorted(fetched.glob("*.whl")):
        if canonicalize_name(wheel.name.partition("-")[0]) not in there:
            unpack(wheel, into)
    shutil.rmtree(fetched)


def unpack(wheel: Path, into: Path) -> None:
    """A wheel as it would lie in ``site-packages``; its scripts are left out (the wheel's format: PEP 427)."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            parts = Path(name).parts
            if name.endswith("/") or ".." in parts or name.startswith("/"):
                continue
            if parts[0].endswith(".data"):
                if len(parts) < 3 or parts[1] not in {"purelib", "platlib"}:
                    continue
                parts = parts[2:]
            target = into.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)


def platforms(place: Place) -> list[str]:
    """Tags of the wheels that load there: those whose C library is no newer (PEP 600, PEP 656)."""
    libc = place.libc or ""
    if libc.startswith("musl"):
        return [f"musllinux_1_{minor}_{place.architecture}" for minor in (1, 2)]
    version = libc.removeprefix("glibc ").split(".")
    newest = (int(version[0]), int(version[1])) if len(version) == 2 else (2, 28)
    tags = [f"manylinux_{major}_{minor}_{place.architecture}" for major, minor in GLIBCS if (major, minor) <= newest]
    return [f"manylinux2014_{place.architecture}", *tags]


def _as_this(place: Place) -> bool:
    """Whether what is installed here runs there."""
    library, version = platform.libc_ver()
    told = (place.libc or "").removeprefix("glibc ").split(".")
    newer = library == "glibc" and len(told) == 2 and tuple(map(int, told)) >= tuple(map(int, version.split(".")[:2]))
    here = "{}.{}".format(*sys.version_info[:2])
    return place.system == "linux" and place.architecture == platform.machine() and place.python == here and newer
