"""A Python on another processor: QEMU's user mode runs the same process there, bit for bit, and never at its speed.

A processor of this machine's architecture runs this Python with its packages. One of another architecture needs a
folder with a small system of it, its Python and the wheels of its runtimes: ``scripts/foreign_root.py`` makes one.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

import edgeproof
from edgeproof.devices.packages import describe_ours
from edgeproof.devices.processors import Processor
from edgeproof.errors import MissingDependency
from edgeproof.files import user_folder

__all__ = ["ROOT_VARIABLE", "SITE", "foreign_python", "foreign_root", "python_on", "show_processor"]

ROOT_VARIABLE = "EDGEPROOF_{architecture}"
"""The environment variable that names the folder of an architecture: ``EDGEPROOF_AARCH64``."""
SITE = "site"
"""Its packages, in that folder."""
PROGRAMS = ("usr", "lib", "lib64", "bin", "sbin")
"""What of it stands in the place of this machine's."""
CORES = 4
IMPLEMENTER = 0x41
"""Arm, as cores name who made them."""


def python_on(processor: Processor, folder: Path) -> tuple[str, ...]:
    """The words that start Python on a processor.

    Args:
        processor: which.
        folder: for what has to lie somewhere while its processes run.

    Raises:
        MissingDependency: it cannot be emulated here; the hint says what is lacking.
    """
    architecture = processor.architecture
    emulator = next(filter(None, (shutil.which(f"qemu-{architecture}{end}") for end in ("-static", ""))), None)
    if emulator is None:
        raise MissingDependency(
            f"processors of {architecture} cannot be emulated: there is no qemu-{architecture} here",
            hint="apt-get install qemu-user-static" if sys.platform == "linux" else "QEMU's user mode needs Linux",
        )
    start = (emulator, "-cpu", processor.model)
    if architecture == platform.machine():
        packages = os.pathsep.join(path for path in sys.path if path)
        return (*start, "-E", f"PYTHONPATH={packages}", str(Path(sys.executable).resolve()))
    root = foreign_root(architecture)
    python = foreign_python(root)
    if python is None or not (root / SITE).is_dir():
        raise MissingDependency(
            f"processors of {architecture} cannot be emulated: there is no Python for them in {root}",
            hint=f"scripts/foreign_root.py makes one, or set {_variable(architecture)} to its folder",
        )
    view = _view(processor, root, folder / processor.name)
    ours = _ourselves(folder / "packages")
    packages = os.pathsep.join(map(str, (ours, root / SITE)))
    program = view / python.relative_to(root)
    return (*start, "-L", str(view), "-E", "PYTHONHOME=/usr", "-E", f"PYTHONPATH={packages}", str(program))


def foreign_root(architecture: str) -> Path:
    """The folder of an architecture's small system, whether or not it is there."""
    named = os.environ.get(_variable(architecture))
    if named:
        return Path(named).expanduser().absolute()
    return user_folder("XDG_DATA_HOME", "~/.local/share") / architecture


def foreign_python(root: Path) -> Path | None:
    """The Python of such a system, named with its version; None where it has none."""
    return next(iter(sorted(root.glob("usr/bin/python3.*[0-9]"))), None)


def _variable(architecture: str) -> str:
    return ROOT_VARIABLE.format(architecture=architecture.upper())


def _view(processor: Processor, root: Path, view: Path) -> Path:
    """The root as a machine with that processor shows it: a runtime picks its kernels by what ``/proc`` and ``/sys``
    say, and without them leaves its fast ones out or ends."""
    view.mkdir(parents=True, exist_ok=True)
    for part in filter(lambda part: (root / part).exists(), PROGRAMS):
        link = view / part
        if not link.is_symlink():
            link.symlink_to(root / part)
    show_processor(processor, view)
    return view


def show_processor(processor: Processor, view: Path) -> None:
    """Write what ``/proc`` and ``/sys`` say on a machine with that processor, into a folder that stands for ``/``."""
    cpus = view / "sys/devices/system/cpu"
    cpus.mkdir(parents=True, exist_ok=True)
    for name in ("possible", "present", "online"):
        (cpus / name).write_text(f"0-{CORES - 1}\n")
    core = (
        f"BogoMIPS\t: 108.00\nFeatures\t: {processor.features}\n"
        f"CPU implementer\t: {IMPLEMENTER:#x}\nCPU architecture: 8\n"
        f"CPU variant\t: 0x0\nCPU part\t: {processor.part}\nCPU revision\t: 4\n"
    )
    for number in range(CORES):  # runtimes read which core it is (MIDR_EL1), and how the cores lie beside each other
        files = {
            "regs/identification/midr_el1": f"0x00000000{IMPLEMENTER:02x}0f{processor.part.removeprefix('0x')}4",
            "topology/core_id": number,
            "topology/physical_package_id": 0,
            **{f"topology/{name}": f"{1 << number:x}" for name in ("thread_siblings", "core_cpus")},
            **{f"topology/{name}": f"{(1 << CORES) - 1:x}" for name in ("core_siblings", "package_cpus")},
        }
        for name, value in files.items():
            told = cpus / f"cpu{number}" / name
            told.parent.mkdir(parents=True, exist_ok=True)
            told.write_text(f"{value}\n")
    (view / "proc").mkdir(exist_ok=True)
    (view / "proc/cpuinfo").write_text("".join(f"processor\t: {core_number}\n{core}\n" for core_number in range(CORES)))


def _ourselves(folder: Path) -> Path:
    """A folder with this package, and nothing else of this Python's: its other packages are built for this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "edgeproof"
    if not link.is_symlink():
        link.symlink_to(Path(edgeproof.__file__).parent)
    describe_ours(folder)
    return folder
