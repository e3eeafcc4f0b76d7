"""``edgeproof nir``: a model as a NIR graph that other tools read, held against the model before it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeproof.cli.console import emit_json, json_option, progress, stdout_console
from edgeproof.cli.options import limit_options, model_options, quiet_option

if TYPE_CHECKING:
    from edgeproof.documents.nir import NirDocument
    from edgeproof.documents.source import ModelSource

__all__ = ["nir"]


@click.command(
    epilog="\b\nExamples:\n  edgeproof nir examples/digits_snn.py:model --out digits.nir\n"
    "  edgeproof run digits.nir --samples rep_samples\n"
    "  edgeproof nir 'theirs.nir?timesteps=25&reset=subtract&reset_delay=1' --out stated.nir"
)
@click.argument("model")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write; it must not exist.")
@click.option(
    "--dt",
    "dt_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Seconds in a time step. Default: that of Norse's cells, else 0.0001.",
)
@click.option(
    "--check",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    metavar="COUNT",
    help="Samples on which the file is run beside the model.",
)
@model_options
@limit_options
@quiet_option
@json_option
def nir(source: ModelSource, out: Path, quiet: bool, as_json: bool, **how: Any) -> None:
    """Write MODEL's spiking network as a NIR graph.

    MODEL's module computes one time step, or loops over them by itself, with layers of PyTorch and neurons of snnTorch,
    SpikingJelly or Norse. The file is read back and run beside the model, and kept only if the spikes are the same.
    What NIR leaves open is chosen as the model has it, stored in the file, and said.

    Exit code 1 when the file computes something else, 2 when a layer or neuron has no counterpart in NIR.
    """
    from edgeproof import api

    with progress("nir", quiet=quiet) as report:
        document = api.nir(source, out, report=report, **how)
    if as_json:
        emit_json(document)
    else:
        _print(document)


def _print(document: NirDocument) -> None:
    from rich.table import Table

    console = stdout_console()
    nodes = Table("node", "kind", "gives", box=None)
    for node in document.nodes:
        nodes.add_row(node.name, node.kind, "×".join(map(str, node.shape)))
    console.print(nodes)
    console.print("\nNIR leaves open how a step is computed. Chosen, and stored in the file:")
    answers = Table(box=None, show_header=False)
    for question, answer in document.semantics.items():
        answers.add_row(question, answer)
    console.print(answers)
    for choice in document.choices:
        click.echo(f"{choice}")
    for name, reason in document.left_out.items():
        click.secho(f"left out: the output {name}: {reason}", fg="yellow")
    check = document.check
    click.echo(f"\nread back and run on {check.samples} samples ({check.origin}), {check.timesteps} steps each:")
    for output in check.outputs:
        what = "spike counts" if output.spikes else f"values, relative L2 {output.relative_l2:.2g},"
        equal = f"{output.equal:,} of {output.values:,} {what}"
        click.echo(f"  {output.name}: {equal} equal the model's ({output.agreement:.3%})")
    if check.difference:
        click.echo(f"  first difference: {check.difference}")
    click.echo(f"{document.graph}: {document.bytes:,} bytes")
