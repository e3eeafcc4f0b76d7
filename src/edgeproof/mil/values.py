"""What an operation may be given besides arrays: blocks, states, lists, and how much it may take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.errors import ArtifactError

__all__ = ["Array", "Body", "Budget", "Elements", "Limits", "StateCell", "Value"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Limits:
    """What one call may take at most, whatever the package says.

    Attributes:
        bytes: of any one array.
        iterations: of all loops together.
        seconds: wall time; None for no end.
    """

    bytes: int = 4 * 2**30
    iterations: int = 1_000_000
    seconds: float | None = None


class Budget:
    """What is left of the limits in one call."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._turns = 0
        self._end = math.inf if limits.seconds is None else time.monotonic() + limits.seconds

    def room(self, shape: tuple[int, ...], itemsize: int = 4) -> None:
        """Ask before an array is made that may be far larger than what it is made of.

        Raises:
            ArtifactError: it is larger than the limit, or has a negative size.
        """
        if min(shape, default=0) < 0:
            raise ArtifactError(f"an array of the shape {list(shape)} was asked for")
        if math.prod(shape) * itemsize > self.limits.bytes:
            raise ArtifactError(
                f"an array of the shape {list(shape)} would take {math.prod(shape) * itemsize:,} bytes; "
                f"the limit is {self.limits.bytes:,}"
            )

    def turn(self) -> None:
        """Ask before another turn of a loop.

        Raises:
            ArtifactError: the turns or the time are used up.
        """
        self._turns += 1
        if self._turns > self.limits.iterations:
            raise ArtifactError(f"the loops of the program did not end within {self.limits.iterations:,} turns")
        if time.monotonic() > self._end:
            raise ArtifactError(f"the program did not end within {self.limits.seconds:g} s")


@dataclass
class StateCell:
    """A value that outlives the call, in place of which a new one may be written."""

    value: Array


@dataclass(frozen=True)
class Elements:
    """A list of tensors as MIL has it: SSA, so a write gives a new one.

    Attributes:
        values: elements in order; None where nothing was written yet.
        shape: of an element; None in a dimension that is not fixed.
        dtype: of an element.
        grows: whether a write behind its end makes it longer.
    """

    values: tuple[Array | None, ...]
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))
    grows: bool = True


Value = Array | StateCell | Elements
Body = Callable[..., tuple[Value, ...]]
"""A nested block: values in, values out."""
