"""Indices that a program computes: counted from the end where that is allowed, never outside the memory."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.values import Array

__all__ = ["Outside", "Places", "axis_of", "places"]

Outside = Literal["wrapped", "refused", "nowhere"]
"""What an index outside means. ``wrapped``: one below 0 counts from the end, beyond it is refused; ``refused``;
``nowhere``: nothing is read or written there."""


class Places(NamedTuple):
    """``at`` is within the size everywhere; ``inside`` tells where it is what was asked for, None for everywhere."""

    at: Array
    inside: Array | None


def axis_of(axis: int, rank: int) -> int:
    """The axis counted from the front.

    Raises:
        ArtifactError: there is no such axis.
    """
    if not -rank <= axis < rank:
        raise ArtifactError(f"the axis {axis} was asked for of a tensor with {rank} dimensions")
    return axis % rank


def places(indices: Array, size: int, outside: Outside) -> Places:
    """Indices into ``size`` elements, int64.

    Raises:
        ArtifactError: one is outside that may not be.
    """
    at = indices.astype(np.int64)
    if not at.size:
        return Places(at, None)
    lowest, highest = (at.item(),) * 2 if at.size == 1 else (int(at.min()), int(at.max()))
    if lowest >= 0 and highest < size:
        return Places(at, None)
    if outside == "nowhere":
        inside = (at >= 0) & (at < size)
        return Places(np.where(inside, at, 0), inside)
    if highest >= size or lowest < (-size if outside == "wrapped" else 0):
        wrong = highest if highest >= size else lowest
        raise ArtifactError(f"the index {wrong} was asked for of {size} elements")
    return Places(np.where(at < 0, at + size, at), None)
