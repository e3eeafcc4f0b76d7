"""What one module is in a network; and reading numbers off modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.primitives import Affine, Array, Linear, Primitive, Shape

if TYPE_CHECKING:
    import torch

__all__ = ["Fold", "Piece", "Place", "Reader", "dense", "number", "refuse", "spikes_like"]


@dataclass(frozen=True)
class Place:
    """A module in the model that is read, and the shapes of one call of it, without the batch axis."""

    name: str
    module: Any
    given: Shape
    made: Shape


@dataclass(frozen=True)
class Piece:
    """Nodes that a module becomes.

    Attributes:
        nodes: by a suffix to the module's name; ``""`` is the module itself.
        edges: between them, by suffix.
        entry: the node that takes the module's input.
        exit: the node that gives its output.
    """

    nodes: Mapping[str, Primitive]
    edges: tuple[tuple[str, str], ...] = ()
    entry: str = ""
    exit: str = ""

    @classmethod
    def of(cls, node: Primitive) -> Piece:
        """One node."""
        return cls({"": node})


@dataclass(frozen=True)
class Fold:
    """``factor · x + offset`` per channel, which goes into the weights of the layer before."""

    factor: Array
    offset: Array


Reader = Callable[[Place], "Piece | Fold | None"]
"""What a module becomes; None where it passes on what it gets."""


def refuse(place: Place, why: str, hint: str | None = None) -> NoReturn:
    """Raise the error that names the module.

    Raises:
        SpikeGraphError: always.
    """
    raise SpikeGraphError(f"the module {place.name!r}, a {type(place.module).__name__}, {why}", hint=hint)


def number(place: Place, value: Any) -> Array:
    """A parameter as float32, without a batch axis of 1, as long as it fits the module's output.

    Raises:
        SpikeGraphError: it does not.
    """
    array: Array = np.array(value.detach().cpu().numpy() if hasattr(value, "detach") else value, np.float32)
    if array.size == 1:
        return array.reshape(())
    if array.ndim == len(place.made) + 1 and array.shape[0] == 1:
        array = array[0]
    try:
        fits = np.broadcast_shapes(array.shape, place.made) == place.made
    except ValueError:
        fits = False
    if not fits:
        refuse(place, f"has parameters of {array.shape} for an output of {place.made}")
    return array


def dense(weight: Any, bias: Any = None) -> Linear | Affine:
    """A linear layer."""
    matrix = weight.detach().cpu().numpy().astype(np.float32)
    return Linear(matrix) if bias is None else Affine(matrix, bias.detach().cpu().numpy().astype(np.float32))


def spikes_like(place: Place, fire: Callable[[torch.Tensor], torch.Tensor], operator: str) -> None:
    """Try the module's own spike function: it must give 1 above zero (``>``), or where not below (``>=``), else 0.

    Raises:
        SpikeGraphError: it gives something else, such as chance or a soft step.
    """
    import torch

    tried = torch.tensor([-2.0, -0.25, -1e-6, 0.0, 1e-6, 0.25, 2.0]).repeat(64)
    with torch.no_grad():
        found = fire(tried)
    if not torch.equal(found, ((tried >= 0) if operator == ">=" else (tried > 0)).to(found.dtype)):
        refuse(
            place,
            f"fires by a function that is not a step at its threshold ({operator})",
            "use a deterministic spike function",
        )
