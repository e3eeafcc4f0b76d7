"""``edgeproof build``: a native engine for another machine, from the C that stands in its artifact."""

from __future__ import annotations

from math import prod
from pathlib import Path

import click

from edgeproof.cli.console import emit_json, json_option
from edgeproof.cli.options import split_names
from edgeproof.errors import EdgeProofError, UsageError

__all__ = ["build"]


@click.command(
    epilog="\b\nExamples:\n  edgeproof build RUN/artifacts/sdk-native --target aarch64-linux --out pi\n"
    "  edgeproof build out/sdk-native --target aarch64-linux,armv7-linux,riscv64-linux --kind program --out programs\n"
    "  scp programs/aarch64-linux/digits_snn pi@raspberrypi.local: && ssh pi@raspberrypi.local \\\n"
    "      './digits_snn --time 1000 < sample.bin'       # microseconds, one call a line"
)
@click.argument("artifact", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--target", "targets", callback=split_names, default="host", show_default=True, metavar="NAMES",
    help="host, x86_64-linux, aarch64-linux, armv7-linux, riscv64-linux, aarch64-macos, x86_64-macos, "
    "aarch64-android, aarch64-ios; comma-separated.",
)  # fmt: skip
@click.option(
    "--kind", type=click.Choice(["library", "program", "object"]), default="library", show_default=True,
    help="A shared library; a static program: samples from stdin, outputs to stdout, raw float32; an object to link.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder; one folder a target inside.")
@json_option
def build(artifact: Path, targets: tuple[str, ...], kind: str, out: Path, as_json: bool) -> int:
    """Build the native engine of ARTIFACT (an sdk-native folder, or its .c) for other machines.

    The system's cross compilers are used where they are installed, else the ziglang package. All builds of one engine
    give the same bits. Exit code 1 when one failed.
    """
    from edgeproof.spike import build as builder
    from edgeproof.spike.targets import target_named

    source = _source(artifact)
    main = builder.main_program(source.stem, *_sizes(source)) if kind == "program" else None
    rows: list[dict[str, str | int | None]] = []
    for name in targets:
        target = target_named(name)
        try:
            made = builder.build(source, out / name, kind, target, main=main)  # type: ignore[arg-type]
        except EdgeProofError as error:
            rows.append({"target": name, "status": "failed", "file": None, "bytes": None, "reason": str(error)})
        else:
            size = made.stat().st_size
            rows.append({"target": name, "status": "ok", "file": str(made), "bytes": size, "reason": None})
    if as_json:
        emit_json({"kind": kind, "builds": rows})
    else:
        for row in rows:
            told = row["reason"] or f"{row['file']}  {row['bytes']:,} bytes"
            click.echo(f"{row['target']:>16}  {row['status']}  {told}")
    return 0 if all(row["status"] == "ok" for row in rows) else 1


def _source(artifact: Path) -> Path:
    """The generated ``.c`` of an artifact."""
    found = [artifact] if artifact.suffix == ".c" else sorted(artifact.glob("*.c")) if artifact.is_dir() else []
    if len(found) != 1 or not found[0].with_suffix(".h").is_file():
        raise UsageError(
            f"{artifact} holds no engine's source", hint="give the folder of an sdk-native artifact, or its .c"
        )
    return found[0]


def _sizes(source: Path) -> tuple[list[int], list[int]]:
    """How many numbers each input and output of a call has."""
    from edgeproof.documents.artifact import ArtifactDocument
    from edgeproof.documents.base import decode

    path = source.with_name("artifact.json")
    if not path.is_file():
        raise UsageError(f"{path} is not there, and a program needs the sizes in it")
    document = decode(path.read_bytes(), ArtifactDocument)
    return tuple(  # type: ignore[return-value]
        [prod(one.graph_shape) for one in bindings] for bindings in (document.inputs, document.outputs)
    )
