"""The deepest stack of a call: frames and calls as GCC writes them down, or as they stand in the machine code.

GCC's ``-fcallgraph-info=su`` knows the compiled file. What it calls in the C library was compiled before; for Arm's
Thumb its frames are read from the disassembly: every push and every subtraction from the stack pointer counts, once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from edgeproof.errors import ConversionError

__all__ = ["Deepest", "Frames", "deepest", "read_callgraph", "read_thumb"]

INDIRECT = "__indirect_call"
NODE = re.compile(r'^node: \{ title: "([^"]+)" label: "([^"\\]+)(?:\\n([^"]*))?"', re.MULTILINE)
REALIGNED = {"_avx512": 64, "_avx2": 32}
"""Bytes that a frame with vectors of that kind moves by to be aligned, which GCC's figure leaves out."""
USAGE = re.compile(r"(\d+) bytes \((static|dynamic,bounded|dynamic)\)")
EDGE = re.compile(r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', re.MULTILINE)

FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
PUSHED = re.compile(r"\t(?:v?push|v?stmdb)(?:\.[wn])?\t(?:sp!, )?\{([^}]+)\}")
LOWERED = re.compile(r"\tsubw?(?:\.[wn])?\t(?:sp, )?sp, #(\d+)")
STORED = re.compile(r"\tv?strd?(?:\.\w+)?\t.*\[sp, #-(\d+)\]!")
MOVED = re.compile(r"\t(?:mov|sub|bic)s?(?:\.[wn])?\t(?:sp, )?sp, (?:sp, )?r\d+|\tmsr\t[mp]sp")
CALLED = re.compile(r"\tb(?:lx?)?(?:[a-z]{2})?(?:\.[wn])?\t[0-9a-f]+ <([^>+]+)>")
BY_POINTER = re.compile(r"\tb(?:lx|x)\t(?!lr)r\d+")


@dataclass
class Frames:
    """Functions by name.

    Attributes:
        bytes: the frame of each.
        calls: whom each calls; ``__indirect_call`` stands for whatever a pointer names.
        pointed: those that are called through a pointer.
    """

    bytes: dict[str, int] = field(default_factory=dict)
    calls: dict[str, set[str]] = field(default_factory=dict)
    pointed: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Deepest:
    """The chain of calls that needs the most stack.

    Attributes:
        bytes: of all frames in it.
        chain: the functions, outermost first, each with its frame.
        unknown: functions that the analysed ones may call and whose frames nobody told.
    """

    bytes: int
    chain: tuple[tuple[str, int], ...]
    unknown: tuple[str, ...]


def read_callgraph(text: str) -> Frames:
    """Read a ``.ci`` file of GCC's.

    Raises:
        ConversionError: a frame that has no bound.
    """
    frames = Frames()
    names = {INDIRECT: INDIRECT}
    static: set[str] = set()
    for title, name, rest in NODE.findall(text):
        # Functions of the C library are titled as they are linked, and labelled as built in.
        names[title] = name if USAGE.search(rest or "") else title
        if usage := USAGE.search(rest or ""):
            if usage[2] == "dynamic":
                raise ConversionError(f"the stack of {name} has no bound that the compiler knows")
            frames.bytes[name] = int(usage[1]) + next((size for end, size in REALIGNED.items() if end in name), 0)
            frames.calls.setdefault(name, set())
            static |= {name} if ":" in title else set()
    for source, target in EDGE.findall(text):
        frames.calls.setdefault(names.get(source, source), set()).add(names.get(target, target))
    called = {target for targets in frames.calls.values() for target in targets}
    # A static function that nobody calls by name and that is kept all the same is in a pointer.
    frames.pointed = static - called
    return frames


def read_thumb(text: str) -> Frames:
    """Read ``objdump -d`` of a program for Arm's Thumb.

    Raises:
        ConversionError: the stack pointer is moved by what stands in a register.
    """
    frames = Frames()
    name = ""
    for line in text.splitlines():
        if found := FUNCTION.match(line):
            name = found[1]
            frames.bytes[name], frames.calls[name] = 0, set()
        elif not name:
            continue
        elif found := PUSHED.search(line):
            frames.bytes[name] += _registers(found[1])
        elif found := LOWERED.search(line) or STORED.search(line):
            frames.bytes[name] += int(found[1])
        elif MOVED.search(line):
            raise ConversionError(f"the stack of {name} has no bound that stands in its code")
        elif found := CALLED.search(line):
            frames.calls[name] |= {found[1]} - {name}
        elif BY_POINTER.search(line):
            frames.calls[name].add(INDIRECT)
    return frames


def deepest(frames: Frames, roots: Iterable[str]) -> Deepest:
    """The chain that needs the most stack, from any of the ``roots`` on.

    Raises:
        ConversionError: a function calls itself, directly or through others.
    """
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    unknown: set[str] = set()

    def walk(name: str, above: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
        if name in above:
            raise ConversionError(f"{name} calls itself, so that its stack has no bound")
        if name not in found:
            if name not in frames.bytes:
                unknown.add(name)
            calls = _resolved(frames.calls.get(name, set()), frames.pointed)
            below = [walk(callee, (*above, name)) for callee in sorted(calls)]
            found[name] = ((name, frames.bytes.get(name, 0)), *max(below, key=_sum, default=()))
        return found[name]

    chain = max((walk(root, ()) for root in roots), key=_sum, default=())
    return Deepest(_sum(chain), chain, tuple(sorted(unknown)))


def _resolved(calls: Iterable[str], pointed: Iterable[str]) -> set[str]:
    return {target for call in calls for target in (pointed if call == INDIRECT else (call,))}


def _sum(chain: Iterable[tuple[str, int]]) -> int:
    return sum(size for _, size in chain)


def _registers(words: str) -> int:
    """Bytes of a list of registers, such as ``r4, r5, lr`` or ``d8-d15``."""
    total = 0
    for word in words.replace(" ", "").split(","):
        first, _, last = word.partition("-")
        count = int(last[1:]) - int(first[1:]) + 1 if last else 1
        total += count * (8 if first[0] == "d" else 4)
    return total
