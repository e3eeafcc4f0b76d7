"""``edgeproof convert`` and ``edgeproof validate``: phase 3 by itself, without a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeproof.cli.console import emit_json, json_option, progress, stdout_console
from edgeproof.cli.options import limit_options, model_options, quiet_option, split_names

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
@click.option("--precision", callback=split_names, metavar="PRECISIONS", help="fp32, fp16, int8; default: all.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder; one folder a candidate inside.")
@model_options
@limit_options
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


@click.command(epilog="Example:  edgeproof validate examples/digits_cnn.py:model out/onnx-int8 out/litert-int8")
@click.argument("model")
@click.argument("artifacts", nargs=-1, required=True, type=click.Path(path_type=Path))
@model_options
@click.option("--policy", type=click.Path(path_type=Path), help="TOML with the thresholds; default: the built-in ones.")
@limit_options
@quiet_option
@json_option
def validate(
    source: ModelSource, artifacts: tuple[Path, ...], limits: Limits, policy: Path | None, quiet: bool, as_json: bool
) -> int:
    """Run ARTIFACTS and hold their outputs against MODEL, run eagerly on the same samples.

    Without --samples, the model's own held-out samples are used. Exit code 1 when an artifact did not pass.
    """
    from edgeproof import api

    with progress("validate", quiet=quiet) as report:
        document = api.compare(source, artifacts, policy=policy, limits=limits, report=report)
    if as_json:
        emit_json(document)
    else:
        _print_validation(document)
    return 0 if all(result.status in ("passed", "skipped") for result in document.results) else 1


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
