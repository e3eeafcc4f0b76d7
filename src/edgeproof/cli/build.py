"""``edgeproof build``: a native engine for another machine, from the C that stands in its artifact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeproof.cli.console import emit_json, json_option
from edgeproof.cli.options import split_names
from edgeproof.errors import EdgeProofError, UsageError

if TYPE_CHECKING:
    from edgeproof.spike.toolchain.memory import Memory

__all__ = ["build"]

COMPILED = ("library", "program", "object")
PACKAGES = ("cmake", "android", "swift")


@click.command(
    epilog="\b\nExamples:\n  edgeproof build RUN/artifacts/sdk-native --target aarch64-linux --out pi\n"
    "  edgeproof build out/sdk-native --target aarch64-linux,armv7-linux,riscv64-linux --kind program --out programs\n"
    "  scp programs/aarch64-linux/digits_snn pi@raspberrypi.local: && ssh pi@raspberrypi.local \\\n"
    "      './digits_snn --time 1000 < sample.bin'       # microseconds, one call a line\n"
    "  edgeproof build out/sdk-native --target cortex-m4 --kind object --memory --out mcu\n"
    "  edgeproof build out/sdk-native --kind android --out app/digits"
)
@click.argument("artifact", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--target", "targets", callback=split_names, default="host", show_default=True, metavar="NAMES",
    help="host, x86_64-linux, aarch64-linux, armv7-linux, riscv64-linux, aarch64-macos, x86_64-macos; for objects also "
    "aarch64-android, armv7-android, x86_64-android, aarch64-ios, aarch64-ios-simulator, cortex-m0plus, cortex-m4, "
    "cortex-m7, cortex-m33; comma-separated.",
)  # fmt: skip
@click.option(
    "--kind", type=click.Choice([*COMPILED, *PACKAGES]), default="library", show_default=True,
    help="A shared library; a static program: samples from stdin, outputs to stdout, raw float32, or with --inputs a "
    "whole measurement as JSON; an object to link; "
    "or source to build elsewhere: a CMake project, a Gradle module for Android in Java and Kotlin, a Swift package.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), required=True,
    help="Folder; one folder a target inside, with a build.json. A package of source is the folder itself.",
)  # fmt: skip
@click.option(
    "--reproducible/--no-reproducible", " /--fast", default=True, show_default=True,
    help="The same bits on every processor, and the same file from every build. --fast lets the compiler round a "
    "multiplication and an addition as one and use all of this machine's processor: quicker at times, other bits.",
)  # fmt: skip
@click.option(
    "--compiler", type=click.Choice(["auto", "system", "zig"]), default="auto", show_default=True,
    help="The system's, or Zig's from the ziglang package; auto takes Zig's where the system has none for the target.",
)  # fmt: skip
@click.option(
    "--memory",
    is_flag=True,
    help="Measure flash, static RAM and stack as well, and keep the linker's map; needs GCC for the target.",
)
@json_option
def build(artifact: Path, targets: tuple[str, ...], kind: str, out: Path, as_json: bool, **how: Any) -> int:
    """Build the native engine of ARTIFACT (an sdk-native folder, or its .c) for other machines.

    The system's cross compilers are used where they are installed, else the ziglang package. All reproducible builds of
    one engine give the same bits. Exit code 1 when one failed.
    """
    source = _source(artifact)
    if kind in PACKAGES:
        return _package(source, kind, out, as_json)
    rows = [_row(source, name, out, kind=kind, **how) for name in targets]
    if as_json:
        emit_json({"kind": kind, "builds": rows})
    else:
        for row in rows:
            told = row["reason"] or f"{row['file']}  {row['bytes']:,} bytes"
            click.echo(f"{row['target']:>21}  {row['status']}  {told}")
            if measured := row["memory"]:
                figures = (("flash", "flash_bytes"), ("static RAM", "static_ram_bytes"), ("stack", "stack_bytes"))
                told = ", ".join(f"{title} {measured[key]:,}" for title, key in figures)
                click.echo(f"{'':>21}  bytes of {told}")
                click.echo(f"{'':>21}  {measured['how']}")
    return 0 if all(row["status"] == "ok" for row in rows) else 1


def _row(source: Path, name: str, out: Path, *, memory: bool, **how: Any) -> dict[str, Any]:
    """Build for one target; what came of it."""
    from edgeproof.spike.toolchain import build as builder
    from edgeproof.spike.toolchain.build_record import write_build_record
    from edgeproof.spike.toolchain.description import read_description
    from edgeproof.spike.toolchain.memory import memory_of
    from edgeproof.spike.toolchain.targets import target_named

    target = target_named(name)
    if how["kind"] == "program":
        read_description(source)  # one that is no engine is refused for all targets at once
    row: dict[str, Any] = {"target": name, "status": "failed", "file": None, "bytes": None, "memory": None}
    measured: Memory | None = None
    try:
        made = builder.build(source, out / name, target=target, **how)
        row |= {"file": str(made.file), "bytes": made.file.stat().st_size}
        write_build_record(made)
        if memory:
            measured = memory_of(source, target, keep=made.file.parent)
            write_build_record(made, measured)
    except EdgeProofError as error:
        return row | {"reason": str(error)}
    return row | {"status": "ok", "reason": None, "memory": measured.document() if measured else None}


def _package(source: Path, kind: str, out: Path, as_json: bool) -> int:
    """Write a package of source."""
    from edgeproof.spike.source_packages.write import write_source_package

    files = write_source_package(source, kind, out)
    if as_json:
        emit_json({"kind": kind, "folder": str(out), "files": [str(file.relative_to(out)) for file in files]})
    else:
        click.echo(f"{out}  {kind} package, {len(files)} files; see {out / 'README.md'}")
    return 0


def _source(artifact: Path) -> Path:
    """The generated ``.c`` of an artifact."""
    found = [artifact] if artifact.suffix == ".c" else sorted(artifact.glob("*.c")) if artifact.is_dir() else []
    if len(found) != 1 or not found[0].with_suffix(".h").is_file():
        raise UsageError(
            f"{artifact} holds no engine's source", hint="give the folder of an sdk-native artifact, or its .c"
        )
    return found[0]
