"""What an engine says of itself: the names and sizes of its inputs and outputs, read from its generated C."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from edgeproof.errors import ArtifactError

__all__ = ["Description", "Plug", "read_description"]

TEXT = re.compile(r'^static const char description\[\] = "((?:[^"\\]|\\.)*)";$', re.MULTILINE)


@dataclass(frozen=True)
class Plug:
    """An input or output, float32.

    Attributes:
        name: as in the model.
        shape: at one time step.
        rows: time steps that a whole call has a row for; 0: it has none, and is of one piece.
    """

    name: str
    shape: tuple[int, ...]
    rows: int

    @property
    def step(self) -> int:
        """Numbers at one time step."""
        return prod(self.shape)

    @property
    def whole(self) -> int:
        """Numbers in a whole call."""
        return self.step * (self.rows or 1)

    @property
    def whole_shape(self) -> tuple[int, ...]:
        """In a whole call, time steps first where it has a row for each."""
        return (self.rows, *self.shape) if self.rows else self.shape


@dataclass(frozen=True)
class Description:
    """A network as its callers see it.

    Attributes:
        name: what its C symbols begin with.
        timesteps: of a whole call.
        inputs: in the order of a call.
        outputs: likewise.
    """

    name: str
    timesteps: int
    inputs: tuple[Plug, ...]
    outputs: tuple[Plug, ...]


def read_description(c: Path) -> Description:
    """Read the description in a generated ``.c``.

    Raises:
        ArtifactError: it holds none.
    """
    found = TEXT.search(c.read_text())
    if found is None:
        raise ArtifactError(f"{c} holds no description of an engine", hint="give the .c of an sdk-native artifact")
    told = json.loads(re.sub(r"\\(.)", r"\1", found[1]))
    steps = int(told["timesteps"])
    inputs = tuple(_plug(plug, steps if told["sequence"] else 0) for plug in told["inputs"])
    outputs = tuple(_plug(plug, steps if plug["readout"] == "stack" else 0) for plug in told["outputs"])
    return Description(str(told["name"]), steps, inputs, outputs)


def _plug(told: dict[str, Any], rows: int) -> Plug:
    shape = tuple(int(size) for size in told["shape"])
    return Plug(str(told["name"]), shape, rows)
