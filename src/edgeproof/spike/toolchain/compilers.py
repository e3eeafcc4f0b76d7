"""Who compiles the engine: the system's C compiler for a target, or Zig's from the ``ziglang`` package."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeproof.errors import ConversionError
from edgeproof.spike.toolchain.targets import TARGETS, System, Target

__all__ = ["Choice", "Compiler", "compiler_for", "system_of"]

Choice = Literal["auto", "system", "zig"]
"""``auto``: the system's where it is installed, else Zig's."""
LONGEST_SECONDS = 600.0
ZIG = "pip install 'edgeproof[native]'"
ZIG_CACHES = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")


@dataclass(frozen=True)
class Compiler:
    """A command that compiles C for one target.

    Attributes:
        command: the program, and what it takes to speak for the target.
        zig: whether it is Zig's.
    """

    command: tuple[str, ...]
    zig: bool = False

    @property
    def title(self) -> str:
        """The command without the folders of this machine."""
        return " ".join(("zig", *self.command[3:]) if self.zig else (Path(self.command[0]).name, *self.command[1:]))

    def version(self) -> str:
        """What it says its version is, in one line."""
        words = (*self.command[:3], "version") if self.zig else (self.command[0], "--version")
        said = self.run(words).splitlines()
        return f"zig {said[0]}" if self.zig else said[0]

    def compile(self, arguments: Sequence[str]) -> None:
        """Compile.

        Raises:
            ConversionError: it failed, with what it said, or took too long.
        """
        self.run((*self.command, *arguments))

    def run(self, words: Sequence[str]) -> str:
        """Run a command of the compiler's; returns what it prints.

        Raises:
            ConversionError: as in ``compile``.
        """
        environment = {**os.environ, "LC_ALL": "C"}
        if self.zig:
            for variable in ZIG_CACHES:
                environment[variable] = environment.get(variable) or str(_cache() / "zig")
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS, env=environment
            )
        except subprocess.TimeoutExpired as error:
            raise ConversionError(f"the compiler was stopped after {LONGEST_SECONDS:.0f} s") from error
        if done.returncode != 0:
            said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:300])
            raise ConversionError(f"{self.title.split()[0]} could not compile the engine: {said}")
        return done.stdout


def compiler_for(target: Target | None, choice: Choice = "auto", *, library: bool = False) -> Compiler:
    """The compiler for a target.

    For this machine (``target`` None) the system's is ``$CC``, ``cc``, ``gcc`` or ``clang``.

    Args:
        target: for which machine; None: this one.
        choice: whose.
        library: whether a shared library will be made; Zig links those to glibc, and programs to musl.

    Raises:
        ConversionError: there is none.
    """
    if choice != "zig" and (found := _system(target)) is not None:
        return Compiler(found)
    if choice != "system" and importlib.util.find_spec("ziglang") is not None:
        return Compiler((sys.executable, "-m", "ziglang", "cc", *_zig_words(target, library)), zig=True)
    package = "gcc" if target is None else target.package
    ways = [f"apt-get install {package}"] if package and choice != "zig" else []
    ways += [ZIG] if choice != "system" else []
    hint = ", or ".join(ways) or None
    if target is None and choice == "auto":
        raise ConversionError("there is no C compiler on this machine", hint=hint)
    whose = "Zig compiler" if choice == "zig" else "compiler"
    raise ConversionError(f"there is no {whose} for {target.name if target else 'this machine'} here", hint=hint)


def system_of(target: Target | None) -> System:
    """What the target's programs run under."""
    return target.system if target is not None else "macos" if sys.platform == "darwin" else "linux"


def _system(target: Target | None) -> tuple[str, ...] | None:
    """The system's compiler with the target's flags, where it is installed."""
    named = os.environ.get("CC") if target is None else None
    names = (named,) if named else ("cc", "gcc", "clang") if target is None else (target.gcc,)
    for name in names:
        if name is not None and shutil.which(name.split()[0]):
            return (*name.split(), *(target.flags if target else ()))
    return None


def _zig_words(target: Target | None, library: bool) -> tuple[str, ...]:
    """Which machine is meant; Zig's own choice would be the processor at hand and nothing older."""
    if target is None:
        machine = {"arm64": "aarch64", "AMD64": "x86_64", "armv7l": "armv7"}.get(platform.machine(), platform.machine())
        target = TARGETS.get(f"{machine}-{system_of(None)}")
        if target is None:
            return ("-mcpu=baseline",)
    return ("-target", (library and target.zig_library) or target.zig, *target.zig_flags)


def _cache() -> Path:
    """This user's folder for what can be made again."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "edgeproof"
