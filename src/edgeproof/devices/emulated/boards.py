"""Boards that can be had by emulation: what they call themselves, and which processor they have."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from edgeproof.devices.emulation import show_processor
from edgeproof.devices.processors import PROCESSORS, Processor
from edgeproof.errors import UsageError

__all__ = ["BOARDS", "EmulatedBoard", "find_board"]


@dataclass(frozen=True)
class EmulatedBoard:
    """One.

    Attributes:
        name: behind ``emulated:``.
        model: what it calls itself.
        core: its processor.
        memory_gib: what it shows.
    """

    name: str
    model: str
    core: Processor
    memory_gib: int

    @property
    def architecture(self) -> str:
        """Of its system."""
        return self.core.architecture

    def show(self, view: Path) -> None:
        """Write what it says of itself into a folder that stands before the system's ``/proc`` and ``/sys``."""
        show_processor(self.core, view)
        tree = view / "proc/device-tree"
        tree.mkdir(parents=True, exist_ok=True)
        (tree / "model").write_bytes(self.model.encode() + b"\0")
        kilobytes = self.memory_gib * 2**20
        memory = f"MemTotal: {kilobytes} kB\nMemFree: {kilobytes // 2} kB\nMemAvailable: {kilobytes // 2} kB\n"
        (view / "proc/meminfo").write_text(memory)


ARM32 = "armv7l"
CORTEX_A7 = Processor(
    "cortex-a7",
    "Raspberry Pi 2",
    ARM32,
    "cortex-a7",
    part="0xc07",
    features="half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm",
)
"""32 bits, for which no wheels are published: programs run there, and no Python of ours."""
BOARDS = {
    board.name: board
    for board in (
        EmulatedBoard("raspberrypi2", "Raspberry Pi 2 Model B Rev 1.1", CORTEX_A7, 1),
        EmulatedBoard("raspberrypi3", "Raspberry Pi 3 Model B Plus Rev 1.3", PROCESSORS["cortex-a53"], 1),
        EmulatedBoard("raspberrypi4", "Raspberry Pi 4 Model B Rev 1.4", PROCESSORS["cortex-a72"], 4),
        EmulatedBoard("raspberrypi5", "Raspberry Pi 5 Model B Rev 1.0", PROCESSORS["cortex-a76"], 8),
    )
}


def find_board(name: str) -> EmulatedBoard:
    """The board of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in BOARDS:
        near = difflib.get_close_matches(name, BOARDS, n=1)
        known = ", ".join(f"emulated:{board}" for board in BOARDS)
        hint = f"did you mean emulated:{near[0]}? known: {known}" if near else f"known: {known}"
        raise UsageError(f"emulated:{name} is no device", hint=hint)
    return BOARDS[name]
