"""``edgeproof convert`` and ``edgeproof validate``: phase 3 by itself, without a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeproof.cli.console import emit_json, json_option, progress, stdout_console
from edgeproof.cli.options import (
    limit_options,
    means_options,
    metric_option,
    model_options,
    name_option,
    processors_option,
    quiet_option,
    split_names,
)

if TYPE_CHECKING:
    from edgeproof.documents.conversion import ConversionDocument
    from edgeproof.documents.source import ModelSource
    from edgeproof.documents.validation import ValidationDocument
    from edgeproof.process import Limits

__all__ = ["convert", "validate"]


@click.command(
    epilog="Example:  edgeproof convert examples/digits_cnn.py:model --to onnx,litert --precision fp32,int8 --out out"
)
@click.argument("model")
@click.option(
    "--to",
    callback=split_names,
    metavar="A,B",
    help="Formats, such as onnx, or candidates, such as litert-int8; of a model with time steps -step or -unrolled "
    "behind either asks for that form. Default: all formats.",
)
@click.option(
    "--precision",
    callback=split_names,
    metavar="PRECISIONS",
    help="fp32, fp16, int8; default: all. On request alone: int8w7, int8 of ONNX with weights of 7 bits, which does "
    "not saturate on x86 without VNNI.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder; one folder a candidate inside.")
@model_options
@name_option
@limit_options
@means_options
@quiet_option
@json_option
def convert(source: ModelSource, limits: Limits, quiet: bool, as_json: bool, **wanted: Any) -> int:
    """Convert MODEL into formats and precisions, each in a process of its own.

    Exit code 1 when a conversion failed or nothing was made; what was made is kept. A candidate that is skipped, as a
    format does that does not take such a model, is told with its reason and is no failure.
    """
    from edgeproof import api

    with progress("convert", quiet=quiet) as report:
        document = api.convert(source, limits=limits, report=report, **wanted)
    if as_json:
        emit_json(document)
    else:
        _print_conversions(document)
    ended = {result.status for result in document.candidates}
    return 0 if "ok" in ended and ended <= {"ok", "skipped"} else 1


@click.command(
    epilog="\b\nExamples:\n  edgeproof validate examples/digits_cnn.py:model out/onnx-int8 out/litert-int8\n"
    "  edgeproof validate net.py:make out/onnx-int8 --processors x86-64-v2,x86-64-v3,cortex-a53,cortex-a76"
)
@click.argument("model")
@click.argument("artifacts", nargs=-1, required=True, type=click.Path(path_type=Path))
@model_options
@metric_option
@click.option("--policy", type=click.Path(path_type=Path), help="TOML with the thresholds; default: the built-in ones.")
@processors_option("Other processors to run ARTIFACTS on as well, outputs only, by QEMU's user mode")
@limit_options
@quiet_option
@json_option
def validate(source: ModelSource, artifacts: tuple[Path, ...], quiet: bool, as_json: bool, **how: Any) -> int:
    """Run ARTIFACTS and hold their outputs against MODEL, run eagerly on the same samples.

    Without --samples, the model's own held-out samples are used. Exit code 1 when an artifact did not pass, here or on
    a processor that was asked for, or such a processor could not be had.
    """
    from edgeproof import api

    with progress("validate", quiet=quiet) as report:
        document = api.compare(source, artifacts, report=report, **how)
    if as_json:
        emit_json(document)
    else:
        _print_validation(document)
    return 0 if _passed(document) else 1


def _passed(document: ValidationDocument) -> bool:
    """Whether all artifacts did, here and on every other processor that they could be run on."""
    return (
        all(result.status in ("passed", "skipped") for result in document.results)
        and not document.not_emulated
        and not any(there.speaks_against for result in document.results for there in result.processors)
    )


def _print_conversions(document: ConversionDocument) -> None:
    from rich.table import Column, Table

    candidate = Column("candidate", no_wrap=True)
    table = Table(candidate, "form", "status", "size (kB)", "time (s)", box=None)
    table.add_column("artifact, or why not", overflow="fold")
    for result in document.candidates:
        size = "" if result.bytes is None else f"{result.bytes / 1000:.1f}"
        seconds = "" if result.seconds is None else f"{result.seconds:.1f}"
        what = result.artifact or "\n".join(
            text for text in (result.reason, result.remedy and f"→ {result.remedy}") if text
        )
        table.add_row(result.candidate, result.form, result.status, size, seconds, what)
    stdout_console().print(table)


def _print_validation(document: ValidationDocument) -> None:
    from rich.table import Column, Table

    candidate = Column("candidate", no_wrap=True)
    table = Table(candidate, "status", "relative L2", "max abs", "argmax agr.", "score drop (pp)", box=None)
    table.add_column("reason", overflow="fold")
    for result in document.results:
        worst = result.differences
        figures = ("", "", "") if worst is None else (worst.relative_l2, worst.max_abs, worst.argmax_agreement)
        cells = ["" if value in ("", None) else f"{value:.3g}" for value in figures]
        drop = "" if result.task_drop is None else f"{result.task_drop:.2f}"
        table.add_row(result.candidate, result.status, *cells, drop, result.reason or "")
    stdout_console().print(table)
    _print_processors(document)


def _print_processors(document: ValidationDocument) -> None:
    """What each artifact does on other processors, and what to do where that is wrong."""
    from rich.table import Column, Table

    found = [(result.candidate, there) for result in document.results for there in result.processors]
    if found:
        processor = Column("processor", no_wrap=True)
        table = Table(Column("candidate", no_wrap=True), processor, "agreement", "relative L2", "from here", box=None)
        table.add_column("reason", overflow="fold")
        for candidate, there in found:
            distances = [None if worst is None else worst.relative_l2 for worst in (there.differences, there.spread)]
            cells = ["" if value is None else f"{value:.3g}" for value in distances]
            why = "\n".join(text for text in (there.reason, there.remedy and f"→ {there.remedy}") if text)
            table.add_row(candidate, there.processor, there.agreement, *cells, why)
        stdout_console().print()
        stdout_console().print(table)
    for name, reason in document.not_emulated.items():
        click.echo(f"{name}: {reason}")
