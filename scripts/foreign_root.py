#!/usr/bin/env python3
"""Make the folder by which artifacts run on processors of another architecture, by emulation: a small Debian of it with
its Python, and the wheels of the runtimes in the versions that are installed here.

    scripts/foreign_root.py            # aarch64: Raspberry Pi, Android
    edgeproof validate MODEL out/onnx-int8 --processors cortex-a53,cortex-a76

Needs Debian's or Ubuntu's mmdebstrap and qemu-user-static, no rights of root, and the network: a Debian mirror, and
wherever pip finds packages. Nothing of it is installed, and to delete the folder is to be rid of it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from edgeproof.devices.emulation import SITE, foreign_python, foreign_root, python_on
from edgeproof.devices.processors import PROCESSORS
from edgeproof.errors import EdgeProofError
from edgeproof.formats.registry import formats

DEBIAN = {"aarch64": "arm64"}
"""Architectures, as the system and as Debian name them."""
SYSTEM = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "libgomp1", "zlib1g")
RUNNER = ("numpy", "msgspec", "packaging", "psutil", "protobuf", "safetensors")
"""What the runner needs, whichever the runtime."""
PLATFORMS = ("manylinux2014", "manylinux_2_17", "manylinux_2_27", "manylinux_2_28")
"""Of wheels that the suite's C library can load, by the oldest of theirs."""


def system(architecture: str, suite: str, root: Path) -> None:
    """Unpack the system; nothing of it is run.

    Raises:
        EdgeProofError: mmdebstrap is not there, or failed.
    """
    program = shutil.which("mmdebstrap")
    if program is None:
        raise EdgeProofError("there is no mmdebstrap here", hint="apt-get install mmdebstrap")
    words = ["--variant=extract", f"--architectures={DEBIAN[architecture]}", f"--include={','.join(SYSTEM)}"]
    done = subprocess.run([program, *words, suite, str(root)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EdgeProofError(f"mmdebstrap failed: {' | '.join(done.stderr.splitlines()[-3:])}")


def wheels(architecture: str, python: str, wanted: list[str], into: Path) -> str | None:
    """Fetch wheels with all that they need; the reason where one is not to be had.

    Args:
        python: its version.
        wanted: requirements.
        into: folder for them.
    """
    platforms = [word for name in PLATFORMS for word in ("--platform", f"{name}_{architecture}")]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--python-version", python]
    done = subprocess.run(
        [*command, *platforms, "--dest", str(into), *wanted], capture_output=True, text=True, check=False
    )
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return (errors or ["pip failed"])[-1] if done.returncode else None


def as_here(requirement: str) -> str:
    """A requirement at the version that is installed here."""
    name = Requirement(requirement).name
    try:
        return f"{name}=={metadata.version(name).partition('+')[0]}"
    except metadata.PackageNotFoundError:
        return requirement


def make(architecture: str, suite: str, root: Path) -> list[str]:
    """Make the folder.

    Args:
        suite: Debian's, such as ``bookworm``.
        root: where; what is there is replaced.

    Returns:
        the formats whose runtime is not in it, with the reason.

    Raises:
        EdgeProofError: the system or what the runner needs is not to be had.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{architecture}-", dir=root.parent) as folder:
        building, fetched = Path(folder) / "root", Path(folder) / "wheels"
        print(f"unpacking Debian {suite} for {architecture}", flush=True)
        system(architecture, suite, building)
        program = foreign_python(building)
        if program is None:
            raise EdgeProofError(f"Debian {suite} for {architecture} brought no Python")
        python = program.name.removeprefix("python")
        lacking = wheels(architecture, python, [as_here(name) for name in RUNNER], fetched)
        if lacking is not None:
            raise EdgeProofError(f"what the runner needs is not there for Python {python} on {architecture}: {lacking}")
        left_out = []
        for name, known in formats().items():
            needed = [as_here(text) for text in known.runtime_requires]
            if known.stands_in is not None or not needed:
                continue
            if any(text.startswith("torch==") for text in needed):
                left_out.append(f"{name}: it needs PyTorch, whose public wheels for {architecture} need CUDA")
                continue
            print(f"fetching {', '.join(needed)}", flush=True)
            reason = wheels(architecture, python, needed, fetched)
            if reason is not None:
                left_out.append(f"{name}: {reason}")
        for wheel in sorted(fetched.glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(building / SITE)
        shutil.rmtree(root, ignore_errors=True)
        building.rename(root)
    return left_out


def check(architecture: str) -> None:
    """Start its Python on each of its processors.

    Raises:
        EdgeProofError: it does not start.
    """
    for processor in (known for known in PROCESSORS.values() if known.architecture == architecture):
        with tempfile.TemporaryDirectory() as folder:
            words = [*python_on(processor, Path(folder)), "-c", "import numpy, msgspec, edgeproof"]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EdgeProofError(f"Python does not start on {processor.name}: {done.stderr[-300:]}")
        print(f"{processor.name}: starts", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architecture", nargs="?", default="aarch64", choices=sorted(DEBIAN))
    parser.add_argument("--suite", default="bookworm", help="of Debian (default bookworm)")
    given = parser.parse_args()
    root = foreign_root(given.architecture)
    try:
        left_out = make(given.architecture, given.suite, root)
        check(given.architecture)
    except EdgeProofError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    size = sum(part.lstat().st_size for part in root.rglob("*"))
    print(f"{root}: {size / 1e6:.0f} MB")
    for reason in left_out:
        print(f"left out: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
