"""A function made ready to run: steps over a frame of slots, in which constants lie from the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgeproof.mil.program.program import Operation
from edgeproof.mil.program.types import Type
from edgeproof.mil.registry import Op

__all__ = ["BUDGET", "BlockPlan", "Convert", "Output", "Plan", "Precision", "Reads", "Step", "Take"]

Precision = Literal["reference", "strict", "unrounded"]
"""How fp16 is computed. ``reference``: each operation in fp32, its result rounded once; ``strict``: every sum in fp16
too; ``unrounded``: fp32 throughout, so that what is left of a difference is no rounding of values."""
Convert = Callable[[Any], Any]
Take = Callable[[list[Any]], tuple[Any, ...]]
BUDGET = 0
"""The slot of what a call may take."""


@dataclass(frozen=True)
class Output:
    """``dtype`` and ``shape`` are None where the type does not tell; ``fixed``: no dimension is open."""

    name: str
    slot: int
    type: Type
    dtype: np.dtype[Any] | None
    shape: tuple[int | None, ...] | None
    fixed: bool


@dataclass(frozen=True, eq=False)
class Reads:
    """Where arguments lie in the frame.

    Attributes:
        slots: in order.
        take: the values there, as a tuple.
        converts: which of them are not yet what the function takes, and how they become it.
    """

    slots: tuple[int, ...]
    take: Take
    converts: tuple[tuple[int, Convert], ...]


@dataclass(eq=False, slots=True)
class Step:
    """One operation with all that is known of its arguments.

    Attributes:
        function: of ``op``; it and ``take``, of ``reads``, stand here too, as every call asks for them.
        reads: one slot per parameter; in the places of ``groups`` and ``bodies`` it means nothing.
        groups: parameters that take several values at once.
        bodies: parameters that take a block.
        plain: the arguments are what ``reads`` takes, as it is.
        release: slots that nothing after it reads.
    """

    op: Op
    operation: Operation
    number: int
    function: Callable[..., Any]
    take: Take
    reads: Reads
    groups: tuple[tuple[int, Reads], ...]
    bodies: tuple[tuple[int, BlockPlan], ...]
    plain: bool
    outputs: tuple[Output, ...]
    release: tuple[int, ...] = ()


@dataclass(eq=False)
class BlockPlan:
    """``inputs`` and ``outputs`` are slots."""

    inputs: tuple[int, ...]
    steps: list[Step]
    outputs: tuple[int, ...]


@dataclass(eq=False)
class Plan:
    """A function ready to run. ``names`` are its inputs in order; ``results`` its outputs.

    ``frame`` has the constants in their slots; a call begins with a copy of it.
    """

    block: BlockPlan
    names: tuple[str, ...]
    types: tuple[Type, ...]
    results: tuple[str, ...]
    frame: list[Any]
