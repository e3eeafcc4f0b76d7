"""Processors and systems the engine is built for: what compilers call them, and what emulates them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeproof.errors import UsageError

__all__ = ["HOST", "TARGETS", "System", "Target", "target_named"]

System = Literal["linux", "macos", "android", "ios", "bare"]
"""What the engine runs under; ``bare`` is none."""


@dataclass(frozen=True)
class Target:
    """One kind of machine.

    Attributes:
        name: on the command line.
        title: for people.
        system: what programs run under.
        gcc: the system's cross compiler; None: there is none.
        zig: what Zig calls it; its programs are static on Linux.
        package: what ``apt-get install`` brings the cross compiler.
        zig_library: what Zig calls it where a shared library is made; None: the same. On Linux it names the oldest
            glibc that can load the library.
        flags: for GCC.
        zig_flags: for Zig.
        emulator: what runs its programs elsewhere, as Debian's ``qemu-user-static`` brings it.
        cpu: the processor to emulate.
    """

    name: str
    title: str
    system: System
    gcc: str | None
    zig: str
    package: str | None = None
    zig_library: str | None = None
    flags: tuple[str, ...] = ()
    zig_flags: tuple[str, ...] = ()
    emulator: str | None = None
    cpu: str | None = None

    @property
    def links(self) -> bool:
        """Whether programs and libraries can be linked, not only objects made."""
        return self.system in ("linux", "macos")


HOST = "host"
SMALL = ("-O2", "-DEDGEPROOF_WIDEST=1")
"""For microcontrollers: no vectors to unroll for, and flash is short."""


def _cortex_m(name: str, title: str, fpu: str | None) -> Target:
    core = name.removeprefix("cortex-")
    floats = ("-mfloat-abi=hard", f"-mfpu={fpu}") if fpu else ("-mfloat-abi=soft",)
    return Target(
        name, title, "bare", "arm-none-eabi-gcc", "thumb-freestanding-eabihf" if fpu else "thumb-freestanding-eabi",
        package="gcc-arm-none-eabi libnewlib-arm-none-eabi",
        flags=(f"-mcpu={name}", "-mthumb", *floats, *SMALL),
        zig_flags=(f"-mcpu=cortex_{core}", *SMALL),
    )  # fmt: skip


TARGETS = {
    target.name: target
    for target in (
        Target(
            "x86_64-linux",
            "Linux on x86-64",
            "linux",
            "x86_64-linux-gnu-gcc",
            "x86_64-linux-musl",
            package="gcc-x86-64-linux-gnu",
            zig_library="x86_64-linux-gnu.2.17",
        ),
        Target(
            "aarch64-linux",
            "64-bit ARM Linux: Raspberry Pi 3 to 5; static, it runs on Android too",
            "linux",
            "aarch64-linux-gnu-gcc",
            "aarch64-linux-musl",
            package="gcc-aarch64-linux-gnu",
            zig_library="aarch64-linux-gnu.2.17",
            emulator="qemu-aarch64-static",
            cpu="cortex-a72",
        ),
        Target(
            "armv7-linux",
            "32-bit ARM Linux with NEON",
            "linux",
            "arm-linux-gnueabihf-gcc",
            "arm-linux-musleabihf",
            package="gcc-arm-linux-gnueabihf",
            zig_library="arm-linux-gnueabihf.2.17",
            flags=("-march=armv7-a", "-mfpu=neon-vfpv4"),
            zig_flags=("-mcpu=cortex_a7",),
            emulator="qemu-arm-static",
            cpu="cortex-a7",
        ),
        Target(
            "riscv64-linux",
            "64-bit RISC-V Linux",
            "linux",
            "riscv64-linux-gnu-gcc",
            "riscv64-linux-musl",
            package="gcc-riscv64-linux-gnu",
            zig_library="riscv64-linux-gnu.2.27",
            emulator="qemu-riscv64-static",
            cpu="rv64",
        ),
        Target("aarch64-macos", "macOS on Apple silicon", "macos", None, "aarch64-macos"),
        Target("x86_64-macos", "macOS on x86-64", "macos", None, "x86_64-macos"),
        Target(
            "aarch64-android", "64-bit ARM Android, an object for the NDK", "android", None, "aarch64-linux-android"
        ),
        Target(
            "armv7-android",
            "32-bit ARM Android, an object for the NDK",
            "android",
            None,
            "arm-linux-androideabi",
            zig_flags=("-mcpu=cortex_a7",),
        ),
        Target("x86_64-android", "Android's emulator, an object for the NDK", "android", None, "x86_64-linux-android"),
        Target("aarch64-ios", "iOS, an object for Xcode", "ios", None, "aarch64-ios"),
        Target("aarch64-ios-simulator", "iOS' simulator, an object for Xcode", "ios", None, "aarch64-ios-simulator"),
        _cortex_m("cortex-m0plus", "Arm Cortex-M0+, floats in software, an object for its toolchain", None),
        _cortex_m("cortex-m4", "Arm Cortex-M4F, an object for its toolchain", "fpv4-sp-d16"),
        _cortex_m("cortex-m7", "Arm Cortex-M7F, an object for its toolchain", "fpv5-sp-d16"),
        _cortex_m("cortex-m33", "Arm Cortex-M33F, an object for its toolchain", "fpv5-sp-d16"),
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
