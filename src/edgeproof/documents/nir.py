"""What ``edgeproof nir`` tells of a graph that it wrote: what was chosen where NIR leaves things open; the check."""

from __future__ import annotations

from typing import ClassVar

from edgeproof.documents.base import Document, Value

__all__ = ["NirCheck", "NirDocument", "NirNode", "NirOutput"]


class NirNode(Value, frozen=True, kw_only=True):
    """A node of the graph."""

    name: str
    kind: str
    shape: tuple[int, ...]
    """What it gives at a time step."""


class NirOutput(Value, frozen=True, kw_only=True):
    """An output of the file, read back and run, against the model's own, run eagerly on the same samples."""

    name: str
    spikes: bool
    values: int
    """Spike counts that were compared, or values of all time steps where the output is no spikes."""
    equal: int
    agreement: float
    """``equal`` as a share."""
    relative_l2: float | None = None
    """Of an output that is no spikes."""
    passed: bool = True


class NirCheck(Value, frozen=True, kw_only=True):
    """The graph as it stands in the file, computed by the engine's reference interpreter."""

    samples: int
    origin: str
    timesteps: int
    outputs: tuple[NirOutput, ...]
    difference: str | None = None
    """Where the first difference begins: the sample, node, step and neurons."""


class NirDocument(Document, frozen=True, kw_only=True):
    """Printed by ``edgeproof nir --json``."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.nir", 1)

    model: str
    graph: str
    bytes: int
    nodes: tuple[NirNode, ...]
    semantics: dict[str, str]
    """What NIR leaves open, each with what was chosen."""
    statement: str
    """The same in one line."""
    choices: tuple[str, ...]
    """How each neuron became one of NIR's primitives."""
    left_out: dict[str, str]
    """Outputs of the model that the graph does not have, each with the reason."""
    check: NirCheck
