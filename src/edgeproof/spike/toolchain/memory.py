"""What an engine takes on a machine: flash, static RAM and stack, out of the linker's map and GCC's own count.

The engine is compiled as it is built for the target and linked with one caller, one instance and the C library, without
any function that nobody calls. The caller's own bytes are not counted, nor what a system needs to start a program.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeproof.errors import ConversionError
from edgeproof.spike.toolchain.build import compiler_flags
from edgeproof.spike.toolchain.callgraph import Deepest, Frames, deepest, read_callgraph, read_thumb
from edgeproof.spike.toolchain.compilers import Compiler, compiler_for
from edgeproof.spike.toolchain.elf import Section, Symbol, read_sections, read_symbols
from edgeproof.spike.toolchain.linkmap import Piece, read_map
from edgeproof.spike.toolchain.targets import HOST, Target

__all__ = ["Memory", "SectionBytes", "memory_of"]

ENTRIES = ("init", "reset", "call", "run", "step")
LARGEST = 10
X86_64, RED_ZONE = 62, 128
"""ELF's number of the machine, and the bytes below the stack pointer that its innermost function may use without taking
them (System V ABI for AMD64, 3.2.2); GCC counts them in no frame."""
WATCHED = ("-ffunction-sections", "-fdata-sections", "-fstack-usage", "-fcallgraph-info=su")
PROBE = """#include "NAME.h"
static struct NAME instance;
const float *const *volatile edgeproof_in;
float *const *volatile edgeproof_out;
void edgeproof_probe(void);
void edgeproof_probe(void) {
  NAME_init(&instance, 16);
  NAME_call(&instance, edgeproof_in, edgeproof_out);
}
"""


@dataclass(frozen=True)
class SectionBytes:
    """Bytes of one section of the linked program, by who brought them.

    Attributes:
        name: of the section.
        in_flash: whether it is kept where the program is stored.
        in_ram: whether it is in RAM while the program runs.
        engine: the network's weights and code.
        instance: the states of one instance and its room to work in.
        libraries: what the engine needs of the C library.
        padding: between the pieces.
        frame: the caller, and what the linker adds for a system to load the program; in no sum below.
    """

    name: str
    in_flash: bool
    in_ram: bool
    engine: int
    instance: int
    libraries: int
    padding: int
    frame: int

    @property
    def counted(self) -> int:
        """What the engine costs in this section."""
        return self.engine + self.instance + self.libraries + self.padding

    @property
    def total(self) -> int:
        """The whole section."""
        return self.counted + self.frame


@dataclass(frozen=True)
class Memory:
    """What one engine takes.

    Attributes:
        target: for which machine.
        flash_bytes: code and constants, with what is used of the C library.
        static_ram_bytes: one instance, and the variables of the library.
        stack_bytes: of the deepest chain of calls from any function of the engine's; interrupts come on top.
        red_zone_bytes: what is in it below the innermost stack pointer.
        instance_bytes: each further instance.
        sections: of the linked program.
        symbols: the largest ones.
        stack: the chain, and the functions of the library whose frames are not in it because nobody told them.
        compiler: who compiled it.
        flags: with what.
    """

    target: str
    flash_bytes: int
    static_ram_bytes: int
    stack_bytes: int
    red_zone_bytes: int
    instance_bytes: int
    sections: tuple[SectionBytes, ...]
    symbols: tuple[Symbol, ...]
    stack: Deepest
    compiler: str
    flags: tuple[str, ...]

    @property
    def how(self) -> str:
        """How it was measured, in one sentence."""
        library = ", the C library's as disassembled"
        if self.stack.unknown:
            library = f", without those of {', '.join(self.stack.unknown)}"
        if self.red_zone_bytes:
            library += f", and {self.red_zone_bytes} bytes of red zone"
        return (
            f"linked by {self.compiler} with --gc-sections, sizes from the linker's map; "
            f"stack: the compiler's frames along the deepest chain of calls{library}"
        )

    def document(self) -> dict[str, Any]:
        """For ``build.json``."""
        return {
            "flash_bytes": self.flash_bytes,
            "static_ram_bytes": self.static_ram_bytes,
            "stack_bytes": self.stack_bytes,
            "instance_bytes": self.instance_bytes,
            "how": self.how,
            "flags": list(self.flags),
            "sections": [asdict(section) for section in self.sections],
            "largest": [asdict(symbol) for symbol in self.symbols],
            "deepest_call": [{"function": name, "bytes": size} for name, size in self.stack.chain],
            "stack_not_counted": list(self.stack.unknown),
        }


def memory_of(source: Path, target: Target | None = None, *, keep: Path | None = None) -> Memory:
    """Measure an engine.

    Args:
        source: its ``.c``; the ``.h`` stands beside it.
        target: for which machine; None: this one.
        keep: folder for what was linked and its map, ``NAME_memory.elf`` and ``NAME_memory.map``; None: they are not
            kept.

    Raises:
        ConversionError: there is no GCC for the target, it failed, or the stack has no bound.
    """
    compiler = _gcc(target)
    name = source.stem
    flags = tuple(flag for flag in compiler_flags("object", target, compiler, name) if flag not in ("-c", "-fPIC"))
    flags = (*dict.fromkeys((*flags, *WATCHED)),)
    with tempfile.TemporaryDirectory(prefix="edgeproof-memory-") as made:
        folder = Path(made)
        (folder / "probe.c").write_text(PROBE.replace("NAME", name))
        for c in (folder / "probe.c", source):
            compiler.compile([*flags, f"-I{source.parent}", "-c", str(c), "-o", str(folder / f"{_role(c)}.o")])
        linked, drawn = folder / "linked.elf", folder / "linked.map"
        bare = target is not None and target.system == "bare"
        compiler.compile(
            ["-nostartfiles", *(["--specs=nano.specs"] if bare else []), "-Wl,-e,edgeproof_probe", "-Wl,--gc-sections",
             "-Wl,--build-id=none", f"-Wl,-Map={drawn}", str(folder / "probe.o"), str(folder / "engine.o"), "-lm", "-o",
             str(linked)]
        )  # fmt: skip
        data = linked.read_bytes()
        symbols = read_symbols(data)
        sections = tuple(_sections(read_sections(data), list(read_map(drawn.read_text())), folder))
        frames = read_callgraph((folder / "engine.ci").read_text())
        if bare:
            _add_library(frames, compiler.run([_objdump(compiler), "-d", "--no-show-raw-insn", str(linked)]), symbols)
        if keep is not None:
            shutil.copy(linked, keep / f"{name}_memory.elf")
            shutil.copy(drawn, keep / f"{name}_memory.map")
    stack = deepest(frames, [f"{name}_{entry}" for entry in ENTRIES])
    red_zone = RED_ZONE if int.from_bytes(data[18:20], "little") == X86_64 else 0
    own = ("instance", "edgeproof_probe", "edgeproof_in", "edgeproof_out")
    return Memory(
        target=target.name if target else HOST,
        flash_bytes=sum(section.counted for section in sections if section.in_flash),
        static_ram_bytes=sum(section.counted for section in sections if section.in_ram),
        stack_bytes=stack.bytes + red_zone,
        red_zone_bytes=red_zone,
        instance_bytes=sum(section.instance for section in sections),
        sections=sections,
        symbols=tuple(symbol for symbol in symbols if symbol.name not in own)[:LARGEST],
        stack=stack,
        compiler=compiler.version(),
        flags=flags,
    )


def _gcc(target: Target | None) -> Compiler:
    if target is not None and target.gcc is None:
        raise ConversionError(
            f"the memory for {target.name} cannot be measured: there is no GCC for it",
            hint="measure for a target of the same processor, such as aarch64-linux",
        )
    compiler = compiler_for(target, "system")
    if "Free Software Foundation" not in compiler.run((compiler.command[0], "--version")):
        raise ConversionError(f"memory is measured with GCC, and {compiler.title} is another compiler", hint="CC=gcc")
    return compiler


def _role(c: Path) -> str:
    return "probe" if c.name == "probe.c" else "engine"


def _sections(loaded: Iterable[Section], pieces: list[Piece], folder: Path) -> Iterable[SectionBytes]:
    """The sections that take memory, each byte of them given to someone."""
    for section in (candidate for candidate in loaded if candidate.is_loaded and candidate.size):
        inside = [piece for piece in pieces if piece.section == section.name]
        roles = dict.fromkeys(("engine", "instance", "libraries", "padding", "frame"), 0)
        for piece in inside:
            roles[_owner(piece, folder)] += piece.size
        # What the map does not list piece by piece, such as tables the linker makes of others.
        roles["frame"] += section.size - sum(roles.values())
        yield SectionBytes(section.name, section.is_in_flash, section.is_in_ram, **roles)


def _owner(piece: Piece, folder: Path) -> str:
    if not piece.origin:
        return "padding"
    if piece.origin == str(folder / "engine.o"):
        return "engine"
    if piece.origin == str(folder / "probe.o"):
        return "instance" if piece.part == ".bss.instance" else "frame"
    return "libraries"


def _add_library(frames: Frames, disassembly: str, symbols: Iterable[Symbol]) -> None:
    """Frames and calls of everything that was linked, beside what the compiler told of the engine."""
    found = read_thumb(disassembly)
    for name, calls in found.calls.items():
        frames.bytes[name] = max(frames.bytes.get(name, 0), found.bytes[name])
        frames.calls[name] = frames.calls.get(name, set()) | calls
    # What the compiler wrote out in place of a call is linked nowhere.
    linked = {symbol.name for symbol in symbols} | set(frames.bytes)
    for name, calls in frames.calls.items():
        frames.calls[name] = {callee for callee in calls if callee in linked or callee == "__indirect_call"}


def _objdump(compiler: Compiler) -> str:
    return compiler.command[0].removesuffix("gcc") + "objdump"
