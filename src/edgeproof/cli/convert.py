"""``edgeproof convert`` and ``edgeproof validate``: phase 3 by itself, without a run folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeproof.cli.console import emit_json, json_option, stderr_console
from edgeproof.cli.options import limit_options, model_options, split_names

if TYPE_CHECKING:
    from edgeproof.documents.conversion import ConversionDocument
    from edgeproof.documents.validation import ValidationDocument

__all__ = ["convert", "validate"]


@click.command(
    epilog="Example:  edgeproof convert examples/digits_cnn.py:model --to onnx,litert --precision fp32,int8 --out out"
)
@click.argument("model")
@click.option("--to", callback=split_names, metavar="FORMATS", help="Formats, comma-separated; default: all.")
@click.option("--precision", callback=split_names, metavar="PRECISIONS", help="fp32, fp16, int8; default: all.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder; one folder a candidate inside.")
@model_options
@limit_options
@json_option
def convert(
    model: str,
    to: tuple[str, ...],
    precision: tuple[str, ...],
    out: Path,
    inputs: tuple[str, ...],
    samples: str | None,
    trust: bool,
    limit_seconds: float,
    limit_memory: float,
    as_json: bool,
) -> int:
    """Convert MODEL into formats and precisions, each in a process of its own.

    Exit code 1 when a conversion failed; what was made is kept.
    """
    from edgeproof.formats.supervise import Limits
    from edgeproof.phases.alone import convert_alone
    from edgeproof.phases.plan import select

    names = select(to, precision)
    console = stderr_console()
    with console.status("converting") as status:

        def report(text: str) -> None:
            console.log(text)
            status.update(text)

        document = convert_alone(
            model,
            names,
            out,
            inputs=inputs,
            samples=samples,
            trust=trust,
            limits=Limits(limit_seconds, int(limit_memory * 2**30)),
            report=report,
        )
    if as_json:
        emit_json(document)
    else:
        _print_conversions(document)
    return 0 if all(one.status == "ok" for one in document.candidates) else 1


@click.command(epilog="Example:  edgeproof validate examples/digits_cnn.py:model out/onnx-int8 out/litert-int8")
@click.argument("model")
@click.argument("artifacts", nargs=-1, required=True, type=click.Path(path_type=Path))
@model_options
@click.option("--policy", type=click.Path(path_type=Path), help="TOML with the thresholds; default: the built-in ones.")
@json_option
def validate(
    model: str,
    artifacts: tuple[Path, ...],
    inputs: tuple[str, ...],
    samples: str | None,
    trust: bool,
    policy: Path | None,
    as_json: bool,
) -> int:
    """Run ARTIFACTS and hold their outputs against MODEL, run eagerly on the same samples.

    Without --samples, the model's own held-out samples are used. Exit code 1 when an artifact did not pass.
    """
    from edgeproof.phases.alone import validate_alone

    console = stderr_console()
    with tempfile.TemporaryDirectory(prefix="edgeproof-") as scratch, console.status("validating"):
        document = validate_alone(
            model,
            artifacts,
            Path(scratch),
            inputs=inputs,
            samples=samples,
            trust=trust,
            policy=policy,
            report=console.log,
        )
    if as_json:
        emit_json(document)
    else:
        _print_validation(document)
    return 0 if all(one.status in ("passed", "skipped") for one in document.results) else 1


def _print_conversions(document: ConversionDocument) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("candidate", "form", "status", "size (kB)", "time (s)", box=None)
    table.add_column("artifact, or why not", overflow="fold")
    for one in document.candidates:
        size = "" if one.bytes is None else f"{one.bytes / 1000:.1f}"
        seconds = "" if one.seconds is None else f"{one.seconds:.1f}"
        what = one.artifact or "\n".join(text for text in (one.reason, one.remedy and f"→ {one.remedy}") if text)
        table.add_row(one.candidate, one.form, one.status, size, seconds, what)
    Console().print(table)


def _print_validation(document: ValidationDocument) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("candidate", "status", "relative L2", "max abs", "argmax agr.", "score drop (pp)", box=None)
    table.add_column("reason", overflow="fold")
    for one in document.results:
        worst = one.differences
        figures = ("", "", "") if worst is None else (worst.relative_l2, worst.max_abs, worst.argmax_agreement)
        cells = ["" if value in ("", None) else f"{value:.3g}" for value in figures]
        drop = "" if one.task_drop is None else f"{one.task_drop:.2f}"
        table.add_row(one.candidate, one.status, *cells, drop, one.reason or "")
    Console().print(table)
