"""A small Debian of another architecture in a folder: its shell, its Python, and the wheels of the runtimes.

Its packages are unpacked and none of their scripts is run, so that no emulation is needed for it and no right of root.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from edgeproof.devices.base import Place
from edgeproof.devices.emulation import SITE, foreign_python, foreign_root
from edgeproof.devices.packages import RUNNER_NEEDS, WHEELS, gather
from edgeproof.errors import DeviceError, MissingDependency, ProcessError
from edgeproof.formats.registry import formats
from edgeproof.process import ask

__all__ = ["DEBIAN", "LIBC", "USER", "make_root", "ready"]

DEBIAN = {"aarch64": "arm64", "armv7l": "armhf"}
"""Architectures, as the system and as Debian name them."""
LIBC = {"bookworm": "glibc 2.36", "trixie": "glibc 2.41"}
"""The C library of Debian's releases."""
PYTHON = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "libgomp1", "zlib1g")
SHELL = ("bash", "dash", "coreutils", "findutils", "grep", "sed", "tar", "gzip", "procps", "util-linux", "libc-bin")
"""What a login there expects to find."""
USER = "pi"
USER_FOLDER = f"home/{USER}"
ACCOUNTS = {
    "etc/passwd": f"root:x:0:0:root:/root:/bin/bash\n{USER}:x:1000:1000::/home/{USER}:/bin/bash\n",
    "etc/group": f"root:x:0:\n{USER}:x:1000:\n",
}
FETCH_S = 1800


def ready(architecture: str) -> bool:
    """Whether the folder is there, with a shell and a Python."""
    root = foreign_root(architecture)
    with_python = architecture not in WHEELS or foreign_python(root) is not None
    return with_python and (root / "bin/sh").exists() and (root / USER_FOLDER).is_dir()


def make_root(architecture: str, report: Callable[[str], None], *, suite: str = "bookworm") -> list[str]:
    """Make the folder of ``foreign_root``; what is there is replaced when all is done.

    Args:
        architecture: as the system names it.
        report: takes a line of progress.
        suite: of Debian.

    Returns:
        the formats whose runtime is not in it, with the reason.

    Raises:
        MissingDependency: there is no mmdebstrap here.
        DeviceError: the system, or what the runner needs, is not to be had.
    """
    root = foreign_root(architecture)
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{architecture}-", dir=root.parent) as folder:
        building = Path(folder) / "root"
        report(f"unpacking Debian {suite} for {architecture}")
        unpack_system(architecture, suite, building)
        left_out = []
        if architecture in WHEELS:
            program = foreign_python(building)
            if program is None:
                raise DeviceError(f"Debian {suite} for {architecture} brought no Python")
            version = program.name.removeprefix("python")
            place = Place("linux", architecture, LIBC.get(suite, "glibc 2.36"), version)
            left_out = bring_runtimes(place, building / SITE, report)
        shutil.rmtree(root, ignore_errors=True)
        building.rename(root)
    return left_out


def unpack_system(architecture: str, suite: str, root: Path) -> None:
    """Unpack the system, and give it a user.

    Raises:
        MissingDependency: there is no mmdebstrap here. DeviceError: it failed.
    """
    program = shutil.which("mmdebstrap")
    if program is None:
        raise MissingDependency("there is no mmdebstrap here", hint="apt-get install mmdebstrap")
    packages = ",".join((*SHELL, *(PYTHON if architecture in WHEELS else ())))
    words = ["--variant=extract", f"--architectures={DEBIAN[architecture]}", f"--include={packages}"]
    try:
        done = ask([program, *words, suite, str(root)], timeout_s=FETCH_S)
    except ProcessError as error:
        raise DeviceError("mmdebstrap took too long: is the mirror of Debian reachable?") from error
    if done.returncode:
        said = " | ".join(done.stderr.decode(errors="replace").splitlines()[-3:])
        raise DeviceError(f"mmdebstrap failed: {said}", hint="it needs a mirror of Debian, or of Ubuntu with --suite")
    for name in ("bin", "sbin", "lib"):  # where /usr is one with /, packages that are only unpacked lack the links
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for path, text in ACCOUNTS.items():
        (root / path).write_text(text)
    (root / USER_FOLDER).mkdir(parents=True, exist_ok=True)


def bring_runtimes(place: Place, site: Path, report: Callable[[str], None]) -> list[str]:
    """The runner's packages and every runtime's, unpacked into a folder; the formats that are left out, and why.

    Raises:
        DeviceError: what the runner needs is not to be had.
    """
    base = gather(" ".join(RUNNER_NEEDS), place, report)
    shutil.copytree(base.folder, site, dirs_exist_ok=True)
    left_out = []
    for name, known in formats().items():
        if known.stands_in is not None or not known.runtime_requires:
            continue
        try:
            for requirement in known.runtime_requires:
                shutil.copytree(gather(requirement, place, report, beside=base).folder, site, dirs_exist_ok=True)
        except DeviceError as error:
            left_out.append(f"{name}: {error.message}")
    return left_out
