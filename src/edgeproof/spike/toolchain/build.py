"""Generated C made into a shared library, a static program or an object, for this machine or another."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeproof.errors import ConversionError
from edgeproof.spike.engine.emit import Source
from edgeproof.spike.toolchain.compilers import Choice, Compiler, compiler_for, system_of
from edgeproof.spike.toolchain.description import read_description
from edgeproof.spike.toolchain.freestanding import write_headers
from edgeproof.spike.toolchain.main_program import main_program
from edgeproof.spike.toolchain.targets import Target

__all__ = ["FLAGS", "Build", "Kind", "build", "build_library", "compiler_flags"]

FLAGS = (
    "-std=c99",
    "-O3",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-delete-null-pointer-checks",
)
"""No multiply-add in one rounding: every processor gives the same bits. The last one keeps GCC 12 from taking addresses
that its loops count from zero for null, and functions with such loops for ones that do nothing."""
CONTRACTED = "-ffp-contract=fast"

Kind = Literal["library", "program", "object"]


@dataclass(frozen=True)
class Build:
    """One file that was compiled, and how.

    Attributes:
        file: what was made.
        kind: what it is.
        target: for which machine; None: this one.
        compiler: who compiled it.
        flags: without the folders of this machine.
        reproducible: whether it gives the same bits as every other reproducible build of the same source, and whether
            this compiler makes the same file from it again.
        sources: what was compiled; the first is the engine's ``.c``.
    """

    file: Path
    kind: Kind
    target: Target | None
    compiler: Compiler
    flags: tuple[str, ...]
    reproducible: bool
    sources: tuple[Path, ...]


def build_library(source: Source, folder: Path) -> Path:
    """Write the source into ``folder`` and compile it for this machine.

    Returns:
        the shared library, beside its source.

    Raises:
        ConversionError: no compiler, or it failed.
    """
    (folder / f"{source.name}.h").write_text(source.h)
    c = folder / f"{source.name}.c"
    c.write_text(source.c)
    return build(c, folder, "library").file


def build(
    c: Path,
    out: Path,
    kind: Kind,
    target: Target | None = None,
    *,
    reproducible: bool = True,
    compiler: Choice = "auto",
) -> Build:
    """Compile a generated ``.c``, whose ``.h`` stands beside it.

    Args:
        c: the source.
        out: folder for the result; made if need be.
        kind: what to make; a program is that of ``main_program``.
        target: for which machine; None: this one.
        reproducible: False lets the compiler round a multiplication and an addition as one and, for this machine, use
            all that its processor has.
        compiler: whose compiler.

    Raises:
        ConversionError: no compiler, it failed, or the target only takes objects.
        ArtifactError: a program is to be made of a ``.c`` that is no generated engine.
    """
    if target is not None and not target.links and kind != "object":
        raise ConversionError(
            f"for {target.name} only objects are made, to be linked there",
            hint="--kind object; --kind android and --kind swift write whole packages",
        )
    found = compiler_for(target, compiler, library=kind == "library")
    if not reproducible and target is None:
        found = _for_this_processor(found)
    out.mkdir(parents=True, exist_ok=True)
    made = out / f"{c.stem}{_suffix(kind, target)}"
    sources = [c]
    if kind == "program":
        sources.append(out / f"{c.stem}_main.c")
        sources[1].write_text(_main(c))
    flags = compiler_flags(kind, target, found, c.stem, reproducible=reproducible)
    folders = {c.parent.resolve(), out.resolve()}
    maps = [f"-ffile-prefix-map={folder}=." for folder in sorted(folders)]
    with _headers(target, found) as headers:
        libraries = () if kind == "object" else ("-lm",)
        words = [*flags, *maps, *headers, f"-I{c.parent}", *map(str, sources), *libraries, "-o", str(made)]
        found.compile(words)
    return Build(made, kind, target, found, flags, reproducible, tuple(sources))


def compiler_flags(
    kind: Kind, target: Target | None, compiler: Compiler, name: str, *, reproducible: bool = True
) -> tuple[str, ...]:
    """The flags of a build, without paths."""
    # What a target asks for, such as a lower level of optimisation, stands in the compiler's own words.
    common = [flag for flag in FLAGS if not (flag == "-O3" and "-O2" in compiler.command)]
    if not reproducible:
        common[common.index("-ffp-contract=off")] = CONTRACTED
    return (*common, "-g0", *_linking(kind, target, compiler, name))


def _linking(kind: Kind, target: Target | None, compiler: Compiler, name: str) -> Sequence[str]:
    system = system_of(target)
    if kind == "object":
        return ("-fPIC", "-c") if system != "bare" else ("-ffunction-sections", "-fdata-sections", "-c")
    linker = ("-s",) if compiler.zig else () if system == "macos" else ("-Wl,--build-id=none",)
    if kind == "program":
        return (*(() if system == "macos" else ("-static",)), *linker)
    named = (f"-Wl,-install_name,@rpath/{name}.dylib",) if system == "macos" else ()
    return ("-fPIC", "-shared", "-fvisibility=hidden", *named, *linker)


def _main(c: Path) -> str:
    told = read_description(c)
    return main_program(told.name, [plug.whole for plug in told.inputs], [plug.whole for plug in told.outputs])


def _suffix(kind: Kind, target: Target | None) -> str:
    if kind == "library":
        return ".dylib" if target is not None and target.system == "macos" else ".so"
    return ".o" if kind == "object" else ""


def _for_this_processor(compiler: Compiler) -> Compiler:
    if compiler.zig:
        return Compiler((*compiler.command[:4], "-mcpu=native"), zig=True)
    return Compiler((*compiler.command, "-march=native"))


@contextmanager
def _headers(target: Target | None, compiler: Compiler) -> Iterator[tuple[str, ...]]:
    """``-isystem`` of the declarations that Zig has not got for a target."""
    if target is None or target.links or not compiler.zig:
        yield ()
        return
    with tempfile.TemporaryDirectory(prefix="edgeproof-headers-") as folder:
        yield ("-isystem", str(write_headers(Path(folder))))
