#!/usr/bin/env python3
"""Ask the package index whether the locks can be installed on every system and Python that they are for.

uv resolves each lock as if it ran there and installs nothing. What it finds is that a wheel of each pinned version
exists for that system; what runs there it cannot tell. Packages without any wheel are left out: see ``SOURCES``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from install import find_uv

ROOT = Path(__file__).resolve().parents[1]
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-test.lock")
SYSTEMS = {
    "Linux x86-64": "x86_64-manylinux_2_28",
    "Linux aarch64": "aarch64-manylinux_2_39",
    "macOS arm64": "aarch64-apple-darwin",
}
"""What uv calls each."""
PYTHONS = ("3.11", "3.12", "3.13")
MACOS = "15.0"
"""The oldest macOS that has wheels of everything."""
SOURCES = {"antlr4-python3-runtime", "norse"}
"""Published as source alone, in plain Python: it builds wherever pip runs."""
PATIENCE_SECONDS = 120.0


def pins_of(locks: Sequence[Path]) -> list[str]:
    """The lines that are asked for, markers with them."""
    lines = [line for lock in locks for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    return [line for line in lines if name_of(line) not in SOURCES]


def name_of(pin: str) -> str:
    """``numpy`` of ``numpy==2.3.5; …``."""
    return pin.partition(";")[0].partition("==")[0].strip()


def lacking(said: str) -> set[str]:
    """Names of the packages of which uv says that no build fits."""
    words = " ".join(said.split())
    name = r"([a-z0-9][a-z0-9.-]*)"
    patterns = (rf"Because {name}==\S+ has no", rf"no version of {name}==", rf"Because {name} was not found in")
    return {found for pattern in patterns for found in re.findall(pattern, words)}


def check(uv: Sequence[str], environment: dict[str, str], pins: Sequence[str]) -> tuple[list[str], str]:
    """Names that have no build there, and what else uv says against it; both empty where everything installs.

    Args:
        uv: the command, which reads requirements from the file named at its end.
        environment: of the command.
        pins: lines of the locks.
    """
    missing: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "asked.txt"
        while True:
            asked.write_text("\n".join(pin for pin in pins if name_of(pin) not in missing) + "\n")
            done = subprocess.run(
                [*uv, str(asked)],
                env=environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
            if done.returncode == 0:
                return missing, ""
            found = sorted(lacking(done.stderr) & {name_of(pin) for pin in pins} - set(missing))
            if not found:
                return missing, " ".join(done.stderr.split())
            missing += found


def main() -> int:
    """Print a table; 0 when everything installs everywhere, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    uv = find_uv()
    if uv is None:
        print("uv cannot be installed here, and only it can ask for other systems", file=sys.stderr)
        return 1
    pins = pins_of(LOCKS)
    environment = {**uv.environment, "MACOSX_DEPLOYMENT_TARGET": os.environ.get("MACOSX_DEPLOYMENT_TARGET", MACOS)}
    print(f"{len(pins)} pins; macOS {environment['MACOSX_DEPLOYMENT_TARGET']}; left out: {', '.join(sorted(SOURCES))}")
    worst = 0
    for system, platform in SYSTEMS.items():
        for python in PYTHONS:
            command = [
                *(str(uv.path), "pip", "install", "--dry-run", "--no-deps", "--only-binary", ":all:"),
                *("--python-platform", platform, "--python-version", python, "--color", "never"),
                *("--target", str(Path(sys.prefix) / "nothing"), *uv.arguments, "-r"),
            ]
            missing, said = check(command, environment, pins)
            told = f"lacks {', '.join(missing)}" if missing else said or "installs"
            worst = 1 if missing or said else worst
            print(f"{system:14} Python {python:5} {told}", flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main())
