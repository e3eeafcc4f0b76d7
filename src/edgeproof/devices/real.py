"""Whether a device is a real one: an emulator computes like it and is not it, so that its times and power say nothing.

What gives one away: QEMU's user mode is named in the memory map of its processes, and their children run its program;
its whole machines keep a timer of 62.5 MHz (BogoMIPS 125), call themselves ``virt``, and give a processor extensions
that the board they claim to be has not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Facts", "Reality", "look_at"]

Emulated = Literal["yes", "no", "unknown"]

MOST_MEMORY = {"Raspberry Pi 3": 1, "Raspberry Pi Zero 2": 0.5, "Raspberry Pi 4": 8, "Raspberry Pi 5": 16}
"""GiB of the largest one sold."""
CORES = {"Raspberry Pi": 4}
NO_CRYPTO = ("Raspberry Pi 3", "Raspberry Pi Zero 2", "Raspberry Pi 4")
"""Whose processors have no instructions for AES."""
MACHINES = re.compile(r"dummy-virt|qemu|tcg|ranchu|goldfish", re.IGNORECASE)
QEMU_TIMER = "125.00"
SPARE = 1.05
"""What a kernel counts beside a board's memory."""


@dataclass(frozen=True)
class Facts:
    """What a device shows of itself; empty or None where it shows nothing.

    Attributes:
        board: what it calls itself.
        cpuinfo: the text of ``/proc/cpuinfo``.
        memory_bytes: all of it.
        emulator: how often its own processes' memory maps name QEMU, and what program a child of its runs.
    """

    board: str = ""
    cpuinfo: str = ""
    memory_bytes: int | None = None
    emulator: str = ""


@dataclass(frozen=True)
class Reality:
    """What was found.

    Attributes:
        emulated: ``unknown`` where it contradicts itself, or shows too little.
        signs: of an emulator, in words.
        contradictions: between what it says it is and what it shows.
    """

    emulated: Emulated
    signs: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Why, in one line."""
        return "; ".join((*self.signs, *self.contradictions)) or "nothing speaks for an emulator"


def look_at(facts: Facts) -> Reality:
    """Whether it is emulated, from what it shows.

    An emulator that hides all its signs is taken for real where its name and figures fit each other; the user can say
    otherwise.
    """
    signs = tuple(_signs(facts))
    contradictions = tuple(_contradictions(facts))
    if signs:
        return Reality("yes", signs, contradictions)
    known = "Raspberry Pi" in facts.board or bool(facts.board)
    return Reality("unknown" if contradictions or not known else "no", (), contradictions)


def _signs(facts: Facts) -> list[str]:
    found = []
    maps, _, child = facts.emulator.partition("\n")
    if maps.strip().isdigit() and int(maps) > 0:
        found.append("its processes have QEMU in their memory")
    if "qemu-" in child:
        found.append(f"its programs are run by {child.strip().rsplit('/', 1)[-1]}")
    if MACHINES.search(facts.board):
        found.append(f"it calls itself {facts.board}")
    if re.search(r"^model name\s*:.*QEMU", facts.cpuinfo, re.MULTILINE):
        found.append("its processor calls itself QEMU's")
    timer = re.search(r"^BogoMIPS\s*:\s*([\d.]+)", facts.cpuinfo, re.MULTILINE)
    if timer and timer.group(1) == QEMU_TIMER:
        found.append("its timer is that of QEMU's machines (BogoMIPS 125)")
    return found


def _contradictions(facts: Facts) -> list[str]:
    found = []
    features = re.search(r"^Features\s*:\s*(.*)$", facts.cpuinfo, re.MULTILINE)
    if any(name in facts.board for name in NO_CRYPTO) and features and "aes" in features.group(1).split():
        found.append(f"{facts.board} has no instructions for AES, and it shows them")
    for name, gib in MOST_MEMORY.items():
        if f"{name} " in f"{facts.board} " and facts.memory_bytes and facts.memory_bytes > SPARE * gib * 2**30:
            found.append(f"{name} has {gib:g} GiB at most, and it shows {facts.memory_bytes / 2**30:.1f}")
    cores = len(re.findall(r"^processor\s*:", facts.cpuinfo, re.MULTILINE))
    if "Raspberry Pi" in facts.board and cores > CORES["Raspberry Pi"]:
        found.append(f"{facts.board} has 4 cores, and it shows {cores}")
    return found
