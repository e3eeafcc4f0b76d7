"""What goes into a model and what comes out: the shapes, dtypes and meanings every room agrees on."""

from __future__ import annotations

from typing import Literal

from edgeproof.documents.base import Value

__all__ = ["Form", "Loop", "OutputKind", "Readout", "Signature", "StateSpec", "TensorSpec"]

OutputKind = Literal["real", "spikes"]
Form = Literal["whole", "unrolled", "step"]
"""``whole``: a model without time steps of ours; ``unrolled``: all time steps in one graph; ``step``: one time step
with explicit state, driven by a loop."""
Encoding = Literal["repeat", "sequence"]
Readout = Literal["sum", "mean", "last", "stack"]


class TensorSpec(Value, frozen=True, kw_only=True):
    """One tensor: numpy dtype name, static shape (batch axis included)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    kind: OutputKind = "real"


class Signature(Value, frozen=True, kw_only=True):
    """The model's call: one sample in, its outputs out.

    ``timesteps`` is None for a model without time steps, or one that loops by itself and cannot be taken step by step.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    timesteps: int | None = None
    spiking: bool = False
    stateful: bool = False
    score_output: str | None = None
    """The output that is scored, whose argmax is the predicted class where there are classes; None: all, or nothing."""
    notes: tuple[str, ...] = ()
    """What a reader of the results has to know of the model: the choices that its file left open."""
    whole_because: str | None = None
    """Why the first axis of the inputs, of a module that keeps state, is not taken for time steps; None: no question of
    that, or it is."""

    @property
    def scored(self) -> tuple[str, ...]:
        """Names of the outputs that a metric takes: one, or all."""
        return (self.score_output,) if self.score_output is not None else tuple(spec.name for spec in self.outputs)


class StateSpec(Value, frozen=True, kw_only=True):
    """One state tensor of the step form: graph input and output names; it starts as zeros unless ``initial`` is set."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    initial: str | None = None
    """Key in the artifact's ``initial_state.npz``, or None for zeros."""


class Loop(Value, frozen=True, kw_only=True):
    """How a step artifact is driven: inputs per step, states carried, outputs read out."""

    timesteps: int
    encoding: Encoding
    """``repeat``: every step gets the same input; ``sequence``: step t gets ``input[t]``."""
    states: tuple[StateSpec, ...]
    readouts: tuple[Readout, ...]
    """One per output, in order."""
