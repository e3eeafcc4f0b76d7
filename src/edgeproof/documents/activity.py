"""Phase 3: what a spiking network does on samples. Counted operations, and the energy that a table gives for them.

All of it is counted in a simulation of the network's arithmetic. Nothing here was measured on a machine, and no verdict
stands on it; neurons that never fire, or always do, take the ground from one.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from edgeproof.documents.base import Document, Value

__all__ = ["ActivityDocument", "EnergyValue", "LayerActivity", "NeuronActivity", "OperationTotals", "RasterFile"]


class LayerActivity(Value, frozen=True, kw_only=True):
    """A layer; operations are the mean of one inference, all time steps together."""

    name: str
    kind: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    weights: int
    connection_sparsity: float | None
    """Share of weights that are zero; None without weights."""
    input_activity: float
    """Share of inputs that were not zero."""
    acs: float
    """Accumulates: the input is only ever -1, 0 or 1."""
    macs: float
    """Multiply-accumulates: the input is graded."""
    dense: float
    """Synaptic operations if nothing were zero."""


class NeuronActivity(Value, frozen=True, kw_only=True):
    """Neurons that are computed together."""

    name: str
    shape: tuple[int, ...]
    states: tuple[str, ...]
    membranes: tuple[str, ...]
    """The states whose updates are counted."""
    firing_rate: float | None
    """Spikes per neuron and time step; None where they give no spikes."""
    activation_sparsity: float | None
    """Share of zeros in what they give."""
    membrane_updates: float
    """Of one inference."""


class OperationTotals(Value, frozen=True, kw_only=True):
    """One inference of the whole network."""

    acs: float
    macs: float
    dense: float
    membrane_updates: float
    connection_sparsity: float | None
    activation_sparsity: float | None


class EnergyValue(Value, frozen=True, kw_only=True):
    """What the counted operations would take by a table: an estimate, in fields that no measurement has."""

    technology: str
    synapses_energy_estimate_uj: float
    dense_energy_estimate_uj: float
    """The same layers as dense multiply-accumulates."""
    neurons_energy_estimate_uj: float
    memory_energy_estimate_uj: float
    memory: str
    """What holds weights and membranes in this estimate."""
    formula: str
    constants_pj: dict[str, float]
    source: str
    estimate: Literal[True] = True


class RasterFile(Value, frozen=True, kw_only=True):
    """Spikes of one sample."""

    file: str
    """npz: name of neurons → bool ``[time steps, neurons]``."""
    sample: int
    """Which of the held-out samples, from 0."""
    label: int | None
    """Its class, where samples are labelled."""


class ActivityDocument(Document, frozen=True, kw_only=True):
    """``phase3_activity.json``."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.activity", 1)
    FILE: ClassVar[str] = "phase3_activity.json"

    model: str
    definitions: str
    """Whose definitions the counts follow."""
    reason: str | None = None
    """Why nothing was counted, where nothing was."""
    timesteps: int | None = None
    samples: int | None = None
    sample_source: str | None = None
    totals: OperationTotals | None = None
    layers: tuple[LayerActivity, ...] = ()
    neurons: tuple[NeuronActivity, ...] = ()
    energy: tuple[EnergyValue, ...] = ()
    raster: RasterFile | None = None
