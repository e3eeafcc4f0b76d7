"""Types of the values in a program, and how each dtype is stored."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["BITS", "NUMPY", "DictType", "ListType", "StateType", "TensorType", "TupleType", "Type"]

NUMPY: dict[str, np.dtype[np.generic]] = {
    "bool": np.dtype(np.bool_),
    "string": np.dtype(object),
    "fp16": np.dtype(np.float16),
    "fp32": np.dtype(np.float32),
    "fp64": np.dtype(np.float64),
    "int4": np.dtype(np.int8),
    "int8": np.dtype(np.int8),
    "int16": np.dtype(np.int16),
    "int32": np.dtype(np.int32),
    "int64": np.dtype(np.int64),
    "uint1": np.dtype(np.uint8),
    "uint2": np.dtype(np.uint8),
    "uint3": np.dtype(np.uint8),
    "uint4": np.dtype(np.uint8),
    "uint6": np.dtype(np.uint8),
    "uint8": np.dtype(np.uint8),
    "uint16": np.dtype(np.uint16),
    "uint32": np.dtype(np.uint32),
    "uint64": np.dtype(np.uint64),
}
"""How each MIL dtype is held in memory; those of fewer than 8 bits in a byte each."""

BITS = {
    name: int(name.lstrip("uint")) if "int" in name else dtype.itemsize * 8
    for name, dtype in NUMPY.items()
    if name != "string"
}
"""Bits of one element in a file of weights."""


@dataclass(frozen=True)
class TensorType:
    """``dtype`` is MIL's name; a dimension of None is known at run time only; rank 0 is a scalar. Where it is
    ``variadic`` not even the rank is known."""

    dtype: str
    shape: tuple[int | None, ...]
    variadic: bool = False

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The dtype in memory."""
        return NUMPY[self.dtype]

    @property
    def elements(self) -> int | None:
        """Elements, or None where a dimension is not known."""
        known = [size for size in self.shape if size is not None]
        return math.prod(known) if len(known) == len(self.shape) else None

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype}[{sizes}]"


@dataclass(frozen=True)
class ListType:
    """``length`` is None for one that grows."""

    element: Type
    length: int | None

    def __str__(self) -> str:
        return f"list<{self.element}>"


@dataclass(frozen=True)
class DictType:
    """A map, as a classifier gives it."""

    key: Type
    value: Type

    def __str__(self) -> str:
        return f"dict<{self.key}, {self.value}>"


@dataclass(frozen=True)
class TupleType:
    """Several values."""

    types: tuple[Type, ...]

    def __str__(self) -> str:
        return f"tuple<{', '.join(map(str, self.types))}>"


@dataclass(frozen=True)
class StateType:
    """A value that outlives the call."""

    tensor: TensorType

    def __str__(self) -> str:
        return f"state<{self.tensor}>"


Type = TensorType | ListType | DictType | TupleType | StateType
