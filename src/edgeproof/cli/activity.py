"""``edgeproof activity``: spikes, synaptic operations and membrane updates of a model, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgeproof.cli.console import emit_json, json_option, stderr_console
from edgeproof.cli.options import model_options

if TYPE_CHECKING:
    from edgeproof.documents.activity import ActivityDocument

__all__ = ["activity"]


@click.command(
    epilog="\b\nExamples:\n  edgeproof activity examples/digits_snn.py:model\n"
    "  edgeproof activity digits.nir --samples rep_samples --json"
)
@click.argument("model")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Samples on which operations are counted, evenly chosen.",
)
@model_options
@json_option
def activity(model: str, count: int, inputs: tuple[str, ...], samples: str | None, trust: bool, as_json: bool) -> None:
    """Count what MODEL does on samples: NeuroBench's operations, and an estimate of their energy.

    The model is run as the native engine's program, in numpy. Nothing is measured. A run does the same for a spiking
    model, and draws the spikes of one sample in its report.

    Exit code 1 when the engine does not take the model.
    """
    from edgeproof.phases.activity_alone import activity_of

    console = stderr_console()
    with console.status("reading the model"):
        document = activity_of(model, inputs=inputs, samples=samples, trust=trust, count=count, report=console.log)
    if as_json:
        emit_json(document)
    else:
        _print(document)


def _print(document: ActivityDocument) -> None:
    from rich.console import Console
    from rich.table import Table

    from edgeproof.report.activity import energy_table, energy_words, layer_table, neuron_table, words_of

    console = Console()
    click.echo("\n".join(words_of(document)))
    for one in (layer_table(document), neuron_table(document.neurons), energy_table(document)):
        if one is None:
            continue
        shown = Table(title=one.caption, title_justify="left", box=None)
        for column in one.columns:
            head = f"{column.title}, {column.unit}" if column.unit else column.title
            shown.add_column(head, justify="right" if column.numeric else "left")
        for row in one.rows:
            shown.add_row(*(cell.text for cell in row))
        click.echo()
        console.print(shown, markup=False)
    click.echo("\n" + "\n".join(energy_words(document)))
