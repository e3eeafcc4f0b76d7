"""What this machine has, and what each candidate lacks here."""

from __future__ import annotations

import contextlib
import shutil
from importlib import metadata

from packaging.requirements import Requirement

from edgeproof import __version__
from edgeproof.documents.environment import EnvironmentDocument, Feasibility, Tool
from edgeproof.errors import ProcessError
from edgeproof.files import utc_now
from edgeproof.formats.registry import REINSTALL, broken_formats, formats, install_command, missing_requirements
from edgeproof.measure.machine import read_machine
from edgeproof.process import ask

__all__ = ["read_environment"]

TOOLS = (
    ("adb", ("adb", "version"), "Android devices", "apt-get install adb"),
    ("ssh", ("ssh", "-V"), "Raspberry Pi and other Linux devices", "apt-get install openssh-client"),
    ("scp", None, "copying to Linux devices", "apt-get install openssh-client"),
    ("xcrun", ("xcrun", "--version"), "compiling Core ML packages, iPhones", "install Xcode on a Mac"),
    ("cc", ("cc", "--version"), "native code for this machine", "apt-get install gcc"),
    (
        "aarch64-linux-gnu-gcc",
        ("aarch64-linux-gnu-gcc", "--version"),
        "native code for ARM",
        "apt-get install gcc-aarch64-linux-gnu",
    ),
    (
        "qemu-x86_64-static",
        ("qemu-x86_64-static", "--version"),
        "outputs on other x86 processors",
        "apt-get install qemu-user-static",
    ),
    (
        "qemu-aarch64-static",
        ("qemu-aarch64-static", "--version"),
        "outputs on ARM processors, with scripts/foreign_root.py",
        "apt-get install qemu-user-static",
    ),
    ("taskset", ("taskset", "--version"), "core placement", "apt-get install util-linux"),
)
CORE = ("torch", "numpy", "msgspec", "uvloop", "httptools", "snntorch", "spikingjelly", "norse")


def read_environment() -> EnvironmentDocument:
    """Look at the machine, its packages and its programs; nothing heavy is imported."""
    needed = {Requirement(text).name for known in formats().values() for text in known.requires}
    packages = {name: version for name in sorted({*CORE, *needed}) if (version := _version(name))}
    return EnvironmentDocument(
        created=utc_now(),
        edgeproof=__version__,
        machine=read_machine(),
        packages=packages,
        tools=tuple(_tool(name, command, purpose, remedy) for name, command, purpose, remedy in TOOLS),
        candidates=tuple(_feasibility()),
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _tool(name: str, command: tuple[str, ...] | None, purpose: str, remedy: str) -> Tool:
    path = shutil.which(name)
    version = None
    if path is not None and command is not None:
        with contextlib.suppress(ProcessError):
            answer = ask(command, timeout_s=10)
            lines = (answer.stdout or answer.stderr).decode(errors="replace").strip().splitlines()
            version = lines[0][:120] if lines else None
    return Tool(name=name, path=path, version=version, purpose=purpose, remedy=remedy)


def _feasibility() -> list[Feasibility]:
    found = [
        Feasibility(candidate=name, format=name, precision="any", possible=False, missing=(reason,), remedy=REINSTALL)
        for name, reason in broken_formats().items()
    ]
    for name, known in formats().items():
        missing = missing_requirements(known.requires)
        remedy = install_command(known, missing) if missing else None
        found += [
            Feasibility(
                candidate=known.candidate(precision),
                format=name,
                precision=precision,
                possible=not missing,
                missing=missing,
                remedy=remedy,
            )
            for precision in known.precisions
        ]
    return found
