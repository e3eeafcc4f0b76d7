"""Processors and systems the engine is built for, and who compiles for each."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass

from edgeproof.errors import ConversionError, UsageError

__all__ = ["HOST", "TARGETS", "Target", "compiler_for", "target_named"]


@dataclass(frozen=True)
class Target:
    """One kind of machine.

    Attributes:
        name: on the command line.
        title: for people.
        gcc: the system's cross compiler.
        zig: what Zig calls it.
        flags: for either.
        emulator: what runs its programs elsewhere, as Debian's ``qemu-user-static`` brings it.
        cpu: the processor to emulate.
        links: whether programs and libraries can be linked, not only objects made.
    """

    name: str
    title: str
    gcc: str | None
    zig: str
    flags: tuple[str, ...] = ()
    emulator: str | None = None
    cpu: str | None = None
    links: bool = True


HOST = "host"
TARGETS = {
    one.name: one
    for one in (
        Target("x86_64-linux", "Linux on x86-64", "x86_64-linux-gnu-gcc", "x86_64-linux-musl"),
        Target(
            "aarch64-linux",
            "64-bit ARM Linux: Raspberry Pi 3 to 5; static, it runs on Android too",
            "aarch64-linux-gnu-gcc",
            "aarch64-linux-musl",
            emulator="qemu-aarch64-static",
            cpu="cortex-a72",
        ),
        Target(
            "armv7-linux",
            "32-bit ARM Linux with NEON",
            "arm-linux-gnueabihf-gcc",
            "arm-linux-musleabihf",
            flags=("-march=armv7-a", "-mfpu=neon-vfpv4"),
            emulator="qemu-arm-static",
            cpu="cortex-a7",
        ),
        Target(
            "riscv64-linux",
            "64-bit RISC-V Linux",
            "riscv64-linux-gnu-gcc",
            "riscv64-linux-musl",
            emulator="qemu-riscv64-static",
            cpu="rv64",
        ),
        Target("aarch64-macos", "macOS on Apple silicon", None, "aarch64-macos"),
        Target("x86_64-macos", "macOS on x86-64", None, "x86_64-macos"),
        Target("aarch64-android", "Android, an object for the NDK", None, "aarch64-linux-android", links=False),
        Target("aarch64-ios", "iOS, an object for Xcode", None, "aarch64-ios", links=False),
    )
}


def target_named(name: str) -> Target | None:
    """The target, or None for this machine.

    Raises:
        UsageError: unknown.
    """
    if name == HOST:
        return None
    if name not in TARGETS:
        raise UsageError(f"there is no target {name}", hint=f"known: {HOST}, {', '.join(TARGETS)}")
    return TARGETS[name]


def compiler_for(target: Target | None) -> list[str]:
    """The command that compiles: for this machine ``$CC``, ``cc``, ``gcc`` or ``clang``; the target's own; or Zig's.

    Raises:
        ConversionError: there is none.
    """
    named = os.environ.get("CC") if target is None else None
    names = (named,) if named else ("cc", "gcc", "clang") if target is None else (target.gcc,)
    for name in names:
        if name is not None and shutil.which(name.split()[0]):
            return [*name.split(), *(target.flags if target else ())]
    if importlib.util.find_spec("ziglang") is not None:
        wanted = ["-target", target.zig] if target else []
        return [sys.executable, "-m", "ziglang", "cc", *wanted]
    if target is None:
        raise ConversionError(
            "there is no C compiler on this machine", hint="apt-get install gcc, or pip install ziglang"
        )
    package = f"apt-get install gcc-{target.gcc.removesuffix('-gcc').replace('_', '-')}, or " if target.gcc else ""
    raise ConversionError(
        f"there is no compiler for {target.name} on this machine", hint=f"{package}pip install ziglang"
    )
