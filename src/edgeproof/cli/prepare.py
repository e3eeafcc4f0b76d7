"""``edgeproof env`` and ``edgeproof samples``: phase 1 by itself, without a run folder."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeproof.cli.console import emit_json, json_option, progress, stdout_console
from edgeproof.cli.options import limit_options, metric_option, model_options, quiet_option

if TYPE_CHECKING:
    from edgeproof.documents.environment import EnvironmentDocument, Machine
    from edgeproof.documents.samples import SamplesDocument
    from edgeproof.documents.source import ModelSource
    from edgeproof.process import Limits

__all__ = ["env", "samples"]


@click.command(
    epilog="\b\nExamples:\n  edgeproof env\n  edgeproof env --json | jq '.candidates[] | select(.possible | not)'"
)
@json_option
def env(as_json: bool) -> None:
    """Show this machine, its tools, and which candidates are possible on it.

    What is missing comes with the command that gets it. Nothing is imported, converted or changed.
    """
    from edgeproof import api

    document = api.environment()
    if as_json:
        emit_json(document)
    else:
        _print_environment(document)


@click.command(
    epilog="\b\nExamples:\n  edgeproof samples examples/digits_cnn.py:model --count 256 --out rep_samples\n"
    "  edgeproof samples net.py:make --input x:float32[1,3,32,32] --samples images.npz --out rep_samples"
)
@click.argument("model")
@click.option("--count", type=click.IntRange(min=8), default=256, show_default=True, help="Samples to draw.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder; new or empty.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw.")
@model_options
@metric_option
@click.option("--synthetic", is_flag=True, help="Random input if there are no samples; no int8 verdict stands on it.")
@limit_options
@quiet_option
@json_option
def samples(source: ModelSource, out: Path, limits: Limits, quiet: bool, as_json: bool, **how: Any) -> None:
    """Draw representative samples of MODEL into a folder that --samples takes.

    Drawn class-balanced and seeded from the samples that the model brings. With --samples they are taken as they are,
    all of them: checked, and written in the model's shapes and dtypes. Held-out samples, where there are any, are
    written to held_out/, and what the folder holds to phase1_samples.json.
    """
    import msgspec

    from edgeproof import api

    with progress("samples", quiet=quiet) as report:
        document = api.samples(source, out, api.Draw(**how), limits=limits, report=report)
    if as_json:
        emit_json(msgspec.structs.replace(document, folder=str(out)))
    else:
        _print_samples(document, out)


def _print_environment(document: EnvironmentDocument) -> None:
    from rich.table import Table
    from rich.text import Text

    console = stdout_console()
    console.print(Text(f"edgeproof {document.edgeproof} on {_machine(document.machine)}"))
    tools = Table("tool", "for", "version, or how to get it", box=None)
    for tool in document.tools:
        found = Text(tool.version or tool.path) if tool.path else Text(f"→ {tool.remedy}", style="yellow")
        tools.add_row(tool.name, tool.purpose, found)
    console.print(tools)
    candidates = Table("format", "possible", "missing", "how to get it", box=None)
    for name, group in groupby(document.candidates, key=lambda candidate: candidate.format):
        rows = list(group)
        possible = Text("yes", style="green") if rows[0].possible else Text("no", style="yellow")
        what = ", ".join(row.candidate for row in rows)
        candidates.add_row(
            name, Text.assemble(possible, f": {what}"), ", ".join(rows[0].missing), Text(rows[0].remedy or "")
        )
    console.print(candidates)


def _machine(machine: Machine) -> str:
    memory = f"{machine.memory_bytes / 2**30:.1f} GiB"
    cores = f"{machine.usable_cores} of {machine.logical_cores} cores"
    told = [
        f"{machine.system} {machine.release} {machine.architecture}",
        f"{machine.cpu_model or 'a CPU that does not tell its name'}, {cores}",
        memory,
        f"Python {machine.python}",
        f"governor {machine.governor or 'not told'}",
    ]
    if machine.virtual:
        told.append("a virtual machine: its figures are not a device's")
    return "; ".join(told)


def _print_samples(document: SamplesDocument, out: Path) -> None:
    seed = "" if document.seed is None else f", seed {document.seed}"
    click.echo(f"{document.count} samples ({document.source}: {document.origin}{seed}) in {out}")
    if document.per_class:
        click.echo("per class: " + ", ".join(f"{label}: {count}" for label, count in document.per_class.items()))
    if document.held_out.source != "representative":
        click.echo(f"{document.held_out.count} held out in {out / document.held_out.file}")
    for check in document.checks:
        if check.status != "ok":
            click.secho(f"{check.status}: {check.detail}", fg="yellow")
