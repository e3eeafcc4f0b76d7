"""What the report says of a spiking network's activity: tables, drawings and the words that explain them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgeproof.documents.activity import ActivityDocument, EnergyValue, LayerActivity, NeuronActivity
from edgeproof.report import activity_drawings
from edgeproof.report.columns import Field, table_of, worded
from edgeproof.report.content import Activity, Cell, Column, Plot, Table
from edgeproof.report.plots import finished
from edgeproof.report.quantities import percent, significant
from edgeproof.verdict.figures import told

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["energy_table", "energy_words", "layer_table", "neuron_table", "section", "words_of"]

NONE = Cell("none", tone="absent")


def figure(value: float) -> str:
    """A count, whole where it is large."""
    return f"{value:,.0f}" if value >= 100 or value == round(value) else significant(value)


def share(value: float | None) -> Cell:
    return NONE if value is None else Cell(percent(value))


def size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "1"


def shares(title: str, path: str) -> Field[object]:
    return Field(Column(title, "%"), lambda subject, _: share(told(path)(subject)))


def counted(title: str, unit: str, path: str) -> Field[object]:
    return worded(title, lambda subject: figure(told(path)(subject)), unit=unit)


def estimated(title: str, path: str) -> Field[object]:
    return worded(title, lambda subject: significant(told(path)(subject)), unit="µJ, estimate")


LAYERS: tuple[Field[LayerActivity], ...] = (
    worded("Layer", told("name")),
    worded("Sizes", lambda layer: f"{size(layer.input_shape)} → {size(layer.output_shape)}"),
    shares("Inputs not zero", "input_activity"),
    shares("Weights that are zero", "connection_sparsity"),
    counted("ACs", "per inference", "acs"),
    counted("MACs", "per inference", "macs"),
    counted("Dense", "operations per inference", "dense"),
)
NEURONS: tuple[Field[NeuronActivity], ...] = (
    worded("Neurons", told("name")),
    worded("Shape", lambda group: size(group.shape)),
    Field(
        Column("Firing rate", "spikes per neuron and step"),
        lambda group, _: NONE if group.firing_rate is None else Cell(significant(group.firing_rate)),
    ),
    shares("Activation sparsity", "activation_sparsity"),
    counted("Membrane updates", "per inference", "membrane_updates"),
)
ENERGY: tuple[Field[EnergyValue], ...] = (
    worded("Arithmetic", told("technology")),
    estimated("Synaptic operations", "synapses_energy_estimate_uj"),
    estimated("The same, dense", "dense_energy_estimate_uj"),
    estimated("Membrane updates", "neurons_energy_estimate_uj"),
    estimated("Memory", "memory_energy_estimate_uj"),
    worded("Held in", told("memory")),
)


def section(document: ActivityDocument, trains: Mapping[str, npt.NDArray[Any]]) -> Activity:
    """The section.

    Args:
        document: what was counted.
        trains: spikes of one sample by neurons, bool ``[time steps, neurons]``.
    """
    if document.totals is None:
        words = (f"Nothing was counted: {document.reason or 'the document does not say why'}.",)
        return Activity(words=words, layers=None, neurons=None, plots=(), energy=None, energy_words=())
    found = (raster_plot(document, trains), rate_plot(document.neurons))
    return Activity(
        words=words_of(document),
        layers=layer_table(document),
        neurons=neuron_table(document.neurons),
        plots=tuple(plot for plot in found if plot is not None),
        energy=energy_table(document),
        energy_words=energy_words(document),
    )


def words_of(document: ActivityDocument) -> tuple[str, ...]:
    """What the figures mean, with a layer of this network as the example."""
    totals = document.totals
    assert totals is not None
    done = totals.acs + totals.macs
    share = f", {percent(done / totals.dense)} % of the {figure(totals.dense)} of the same layers when dense" * (
        totals.dense > 0
    )
    steps = "1 time step" if document.timesteps == 1 else f"{document.timesteps} time steps"
    first = (
        f"Counted on {document.samples} samples ({document.sample_source}), {steps} each, "
        f"by the definitions of {document.definitions}. An inference takes {figure(done)} synaptic operations{share}."
    )
    example = next((layer for layer in document.layers if layer.acs > 0 and layer.kind == "linear"), None)
    reached = (
        f" In {example.name} a spike reaches {example.output_shape[0]} outputs: "
        f"{example.output_shape[0]} synaptic operations, if none of the weights is zero."
        if example is not None
        else ""
    )
    second = (
        "A synaptic operation is an input that is not zero meeting a weight that is not zero. Where inputs are "
        "spikes it is an addition (AC); where they are graded values the weight is multiplied first (MAC)." + reached
    )
    return first, second


def layer_table(document: ActivityDocument) -> Table:
    """A line a layer, and the sum."""
    totals = document.totals
    assert totals is not None
    lines = table_of("activity-layers", "Operations of each layer", LAYERS, document.layers)
    last = (
        Cell("all layers"),
        Cell(""),
        Cell(""),
        share(totals.connection_sparsity),
        *(Cell(figure(total)) for total in (totals.acs, totals.macs, totals.dense)),
    )
    return replace(lines, rows=(*lines.rows, last))


def neuron_table(neurons: tuple[NeuronActivity, ...]) -> Table | None:
    """A line for each group of neurons."""
    return table_of("activity-neurons", "Activity of neurons", NEURONS, neurons) if neurons else None


def energy_table(document: ActivityDocument) -> Table | None:
    """Estimates by arithmetic; each cause apart."""
    caption = "Energy of an inference by the counted operations"
    return table_of("activity-energy", caption, ENERGY, document.energy) if document.energy else None


def energy_words(document: ActivityDocument) -> tuple[str, ...]:
    """Where estimates come from, and what they are not."""
    if not document.energy:
        return ()
    first = document.energy[0]
    return (
        "Estimates from a table of energies per operation. Nothing here was measured, and no verdict uses it.",
        f"{first.formula}.",
        f"Energies: {first.source}. A processor spends most on instructions and data movement that this leaves out.",
    )


def raster_plot(document: ActivityDocument, trains: Mapping[str, npt.NDArray[Any]]) -> Plot | None:
    """Spikes of the sample that the document names."""
    drawn = {name: train for name, train in trains.items() if train.size}
    if not drawn or document.raster is None:
        return None
    label = "" if document.raster.label is None else f" (class {document.raster.label})"
    most = activity_drawings.MOST_NEURONS
    cut = [f"the {train.shape[1]:,} of {name}" for name, train in drawn.items() if train.shape[1] > most]
    some = f" Of {' and of '.join(cut)}, {most} are drawn, evenly chosen." if cut else ""
    title = f"Held-out sample {document.raster.sample}{label}"
    counts = ", ".join(f"{name} {int(train.sum()):,}" for name, train in drawn.items())
    return finished(
        "raster",
        "Spikes of one sample",
        f"{title}: a tick is a spike; time runs to the right, a row is a neuron.{some}",
        f"{title}. Spikes: {counts}.",
        activity_drawings.raster(drawn),
    )


def rate_plot(neurons: tuple[NeuronActivity, ...]) -> Plot | None:
    """Firing rates of neurons that spike."""
    rates = [(group.name, group.firing_rate) for group in neurons if group.firing_rate is not None]
    if not rates:
        return None
    return finished(
        "firing-rates",
        "Firing rate",
        "Mean over samples, neurons and time steps. What does not fire costs no synaptic operation.",
        "; ".join(f"{name}: {percent(rate)} % of neurons fire in a time step" for name, rate in rates) + ".",
        activity_drawings.firing_rates(rates),
    )
