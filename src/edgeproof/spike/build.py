"""Generated C made into a shared library by the system's compiler, or by the one in the ``ziglang`` package."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from edgeproof.errors import ConversionError
from edgeproof.spike.emit import Source

__all__ = ["FLAGS", "build_library", "compiler"]

FLAGS = ("-std=c99", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
"""No multiply-add in one rounding: every processor gives the same bits."""
SHARED = ("-fPIC", "-shared", "-fvisibility=hidden")
LONGEST_SECONDS = 600.0


def compiler() -> list[str]:
    """The command that compiles for this machine: ``$CC``, ``cc``, ``gcc``, ``clang``, or Zig's.

    Raises:
        ConversionError: there is none.
    """
    named = os.environ.get("CC")
    for name in (named,) if named else ("cc", "gcc", "clang"):
        if shutil.which(name.split()[0]):
            return name.split()
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    raise ConversionError(
        f"there is no C compiler{f' {named}' if named else ''} on this machine",
        hint="apt-get install gcc, or pip install ziglang",
    )


def build_library(source: Source, folder: Path) -> Path:
    """Write the source into ``folder`` and compile it for this machine.

    Returns:
        the shared library, beside its source.

    Raises:
        ConversionError: no compiler, or it failed.
    """
    c, h, library = (folder / f"{source.name}{suffix}" for suffix in (".c", ".h", ".so"))
    c.write_text(source.c)
    h.write_text(source.h)
    command = [*compiler(), *FLAGS, *SHARED, str(c), "-lm", "-o", str(library)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ConversionError(f"the compiler was stopped after {LONGEST_SECONDS:.0f} s") from error
    if done.returncode != 0:
        said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:300])
        raise ConversionError(f"{command[0]} could not compile the engine: {said}")
    return library
