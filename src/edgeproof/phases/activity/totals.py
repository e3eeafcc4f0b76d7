"""Counted operations as a document: the mean of one inference, and the energy that tables give for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeproof.documents.activity import (
    ActivityDocument,
    EnergyValue,
    LayerActivity,
    NeuronActivity,
    OperationTotals,
    RasterFile,
)

if TYPE_CHECKING:
    from edgeproof.spike.counts.operations import OperationCount

__all__ = ["DEFINITIONS", "activity_document"]

DEFINITIONS = "NeuroBench (Yik et al., Nature Communications 16, 1545, 2025)"


def activity_document(model: str, count: OperationCount, *, source: str, raster: RasterFile | None) -> ActivityDocument:
    """Counts as the mean of one inference, with the energy that tables give for them."""
    from edgeproof.spike.counts.energy import FLOAT32, FORMULA, INT8, SOURCE, estimate_energy

    per = count.samples
    totals = OperationTotals(
        acs=sum(layer.acs for layer in count.layers) / per,
        macs=sum(layer.macs for layer in count.layers) / per,
        dense=sum(layer.dense for layer in count.layers) / per,
        membrane_updates=sum(group.membrane_updates for group in count.neurons) / per,
        connection_sparsity=count.connection_sparsity,
        activation_sparsity=count.activation_sparsity,
    )
    energy = []
    for technology in (FLOAT32, INT8):
        found = estimate_energy(
            technology,
            acs=totals.acs,
            macs=totals.macs,
            dense=totals.dense,
            membrane_updates=totals.membrane_updates,
            weights=sum(layer.weights for layer in count.layers),
            membranes=sum(group.membranes_held for group in count.neurons),
        )
        energy.append(
            EnergyValue(
                technology=technology.name,
                synapses_energy_estimate_uj=found.synapses_uj,
                dense_energy_estimate_uj=found.dense_uj,
                neurons_energy_estimate_uj=found.neurons_uj,
                memory_energy_estimate_uj=found.memory_uj,
                memory=found.memory,
                formula=FORMULA,
                constants_pj={
                    "add": technology.add_pj,
                    "multiply": technology.multiply_pj,
                    "membrane multiply": technology.membrane_multiply_pj,
                    "weight read": found.weight_pj,
                    "state access": found.state_pj,
                },
                source=SOURCE,
            )
        )
    return ActivityDocument(
        model=model,
        definitions=DEFINITIONS,
        timesteps=count.timesteps,
        samples=count.samples,
        sample_source=source,
        totals=totals,
        layers=tuple(
            LayerActivity(
                name=layer.name,
                kind=layer.kind,
                input_shape=layer.input_shape,
                output_shape=layer.output_shape,
                weights=layer.weights,
                connection_sparsity=layer.zero_weights / layer.weights if layer.weights else None,
                input_activity=layer.nonzero_inputs / layer.inputs,
                acs=layer.acs / per,
                macs=layer.macs / per,
                dense=layer.dense / per,
            )
            for layer in count.layers
        ),
        neurons=tuple(
            NeuronActivity(
                name=group.name,
                shape=group.shape,
                states=group.states,
                membranes=group.membranes,
                firing_rate=group.firing_rate,
                activation_sparsity=None if group.firing_rate is None else 1 - group.firing_rate,
                membrane_updates=group.membrane_updates / per,
            )
            for group in count.neurons
        ),
        energy=tuple(energy),
        raster=raster,
    )
