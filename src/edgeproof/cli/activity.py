"""``edgeproof activity``: spikes, synaptic operations and membrane updates of a model, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgeproof.cli.console import emit_json, json_option, progress, stdout_console
from edgeproof.cli.options import limit_options, model_options, quiet_option

if TYPE_CHECKING:
    from edgeproof.documents.activity import ActivityDocument
    from edgeproof.documents.source import ModelSource
    from edgeproof.process import Limits

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
@limit_options
@quiet_option
@json_option
def activity(source: ModelSource, count: int, limits: Limits, quiet: bool, as_json: bool) -> None:
    """Count what MODEL does on samples: NeuroBench's operations, and an estimate of their energy.

    The model is run as the native engine's program, in numpy. Nothing is measured. A run does the same for a spiking
    model, and draws the spikes of one sample in its report.

    Exit code 1 when the engine does not take the model.
    """
    from edgeproof import api

    with progress("activity", quiet=quiet) as report:
        document = api.activity(source, count=count, limits=limits, report=report)
    if as_json:
        emit_json(document)
    else:
        _print(document)


def _print(document: ActivityDocument) -> None:
    from rich.table import Table

    from edgeproof.report.activity import energy_table, energy_words, layer_table, neuron_table, words_of

    console = stdout_console()
    click.echo("\n".join(words_of(document)))
    for table in (layer_table(document), neuron_table(document.neurons), energy_table(document)):
        if table is None:
            continue
        shown = Table(title=table.caption, title_justify="left", box=None)
        for column in table.columns:
            head = f"{column.title}, {column.unit}" if column.unit else column.title
            shown.add_column(head, justify="right" if column.numeric else "left")
        for row in table.rows:
            shown.add_row(*(cell.text for cell in row))
        click.echo()
        console.print(shown, markup=False)
    click.echo("\n" + "\n".join(energy_words(document)))
