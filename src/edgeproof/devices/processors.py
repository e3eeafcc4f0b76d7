"""Processors whose arithmetic can be had on this machine by emulation: their names, what tells them, who has them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from edgeproof.documents.device import DeviceClass
from edgeproof.errors import UsageError

__all__ = ["ARM", "PROCESSORS", "X86", "Processor", "find_processors"]

X86, ARM = "x86_64", "aarch64"
"""Architectures, as the system names them."""
ARM_CLASSES: tuple[DeviceClass, ...] = ("raspberry-pi", "android")


@dataclass(frozen=True)
class Processor:
    """One kind of processor.

    Attributes:
        name: as a user asks for it.
        title: who has it.
        architecture: as the system names it.
        model: what QEMU calls it.
        classes: the classes of devices whose outputs it speaks for.
        has: extensions, by numpy's names, of which it has one: else the emulator gives less than the name says.
        lacks: extensions that it has none of.
        part: of an ARM core, as ``/proc/cpuinfo`` tells it.
        features: of an ARM core, as Linux names them.
    """

    name: str
    title: str
    architecture: str
    model: str
    classes: tuple[DeviceClass, ...] = ()
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    part: str = ""
    features: str = ""

    def doubt(self, instructions: Sequence[str]) -> str | None:
        """Why a process with these extensions did not run on such a processor; None where it did.

        Args:
            instructions: by numpy's names.
        """
        if self.has and not set(self.has) & set(instructions):
            return f"the emulator gives no {self.has[0]}, which {self.name} has"
        more = sorted(set(self.lacks) & set(instructions))
        return f"the emulator gives {more[0]}, which {self.name} lacks" if more else None


ARMV8 = "fp asimd evtstrm crc32 cpuid"
ARMV8_2 = f"{ARMV8} aes pmull sha1 sha2 atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
NEWER_ARM = ("SVE", "SVE2", "ASIMDFHM")
AVX512 = ("AVX512F", "X86_V4")
PROCESSORS = {
    known.name: known
    for known in (
        Processor(
            "x86-64-v2",
            "x86 with SSE4.2: Intel before Haswell, Atom, AMD before Zen",
            X86,
            "Nehalem",
            has=("SSE42", "X86_V2"),
            lacks=("AVX", "AVX2", "X86_V3", *AVX512),
        ),
        Processor(
            "x86-64-v3",
            "x86 with AVX2 and without VNNI: Intel Haswell to Coffee Lake, AMD Zen 1 to 3",
            X86,
            "Haswell",
            has=("AVX2", "X86_V3"),
            lacks=AVX512,
        ),
        Processor(
            "cortex-a53",
            "Raspberry Pi 3 and Zero 2, small cores of phones",
            ARM,
            "cortex-a53",
            ARM_CLASSES,
            lacks=("ASIMDHP", "ASIMDDP", *NEWER_ARM),
            part="0xd03",
            features=ARMV8,
        ),
        Processor(
            "cortex-a72",
            "Raspberry Pi 4",
            ARM,
            "cortex-a72",
            ARM_CLASSES,
            lacks=("ASIMDHP", "ASIMDDP", *NEWER_ARM),
            part="0xd08",
            features=ARMV8,
        ),
        Processor(
            "cortex-a76",
            "Raspberry Pi 5, phones since 2019",
            ARM,
            "cortex-a76",
            ARM_CLASSES,
            has=("ASIMDHP",),
            lacks=NEWER_ARM,
            part="0xd0b",
            features=ARMV8_2,
        ),
    )
}


def find_processors(names: Sequence[str]) -> tuple[Processor, ...]:
    """The processors of these names, each once.

    Raises:
        UsageError: one is not known.
    """
    strange = next((name for name in names if name not in PROCESSORS), None)
    if strange is not None:
        near = difflib.get_close_matches(strange, PROCESSORS, n=1)
        known = ", ".join(PROCESSORS)
        raise UsageError(
            f"there is no processor {strange} to emulate",
            hint=f"did you mean {near[0]}? known: {known}" if near else f"known: {known}",
        )
    return tuple(PROCESSORS[name] for name in dict.fromkeys(names))
