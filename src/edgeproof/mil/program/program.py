"""A program as it is written: functions of blocks of operations, each naming what it takes and gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from edgeproof.mil.program.types import Type

__all__ = ["Argument", "Block", "Function", "Literal", "Named", "Operation", "Program", "ValueName"]


@dataclass(frozen=True)
class Named:
    """A value's name and type."""

    name: str
    type: Type


@dataclass(frozen=True)
class ValueName:
    """A value that was made before."""

    name: str


@dataclass(frozen=True, eq=False)
class Literal:
    """A value that stands in the program or its file of weights."""

    value: npt.NDArray[Any]
    type: Type


Argument = ValueName | Literal


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation.

    Attributes:
        kind: ``conv``.
        name: its name for people; the first output's where it has none.
        inputs: arguments by parameter; several where the parameter takes several.
        outputs: what it gives.
        blocks: nested blocks of control flow.
    """

    kind: str
    name: str
    inputs: Mapping[str, tuple[Argument, ...]]
    outputs: tuple[Named, ...]
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, eq=False)
class Block:
    """Operations in order, the values they begin with and those they end with."""

    inputs: tuple[Named, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]

    def walk(self) -> Iterator[Operation]:
        """Every operation, those of nested blocks too."""
        for operation in self.operations:
            yield operation
            for block in operation.blocks:
                yield from block.walk()


@dataclass(frozen=True, eq=False)
class Function:
    """``opset`` is MIL's name of the version: ``CoreML6``."""

    name: str
    opset: str
    inputs: tuple[Named, ...]
    block: Block


@dataclass(frozen=True, eq=False)
class Program:
    """Functions by name."""

    functions: Mapping[str, Function]
