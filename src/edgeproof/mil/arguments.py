"""How a value of the program becomes what a function takes: ``strides`` an array in the program, a tuple here."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from edgeproof.mil.values import Array, Body, Budget, Elements, StateCell

__all__ = ["Kind", "converter", "kind_of"]


class Kind(Enum):
    """What a parameter takes."""

    ARRAY = "tensor"
    ARRAYS = "tensors"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    STR = "str"
    INTS = "ints"
    FLOATS = "floats"
    BOOLS = "bools"
    BODY = "block"
    STATE = "state"
    LIST = "list"
    BUDGET = "budget"


HINTS: dict[object, Kind] = {
    Array: Kind.ARRAY,
    tuple[Array, ...]: Kind.ARRAYS,
    int: Kind.INT,
    float: Kind.FLOAT,
    bool: Kind.BOOL,
    str: Kind.STR,
    tuple[int, ...]: Kind.INTS,
    tuple[float, ...]: Kind.FLOATS,
    tuple[bool, ...]: Kind.BOOLS,
    Body: Kind.BODY,
    StateCell: Kind.STATE,
    Elements: Kind.LIST,
    Budget: Kind.BUDGET,
}


def kind_of(hint: object) -> Kind:
    """The kind that an annotation stands for; ``| None`` does not change it.

    Raises:
        TypeError: an annotation that stands for none.
    """
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        hints = [choice for choice in typing.get_args(hint) if choice is not type(None)]
        if len(hints) == 1:
            hint = hints[0]
    if hint not in HINTS:
        raise TypeError(f"an operation cannot take {hint}")
    return HINTS[hint]


def _ints(value: Array) -> tuple[int, ...]:
    return tuple(np.atleast_1d(value).tolist())


CONVERTERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.INT: lambda value: int(value.item()),
    Kind.FLOAT: lambda value: float(value.item()),
    Kind.BOOL: lambda value: bool(value.item()),
    Kind.STR: lambda value: str(value.item()),
    Kind.INTS: _ints,
    Kind.FLOATS: _ints,
    Kind.BOOLS: _ints,
}


def converter(kind: Kind) -> Callable[[Any], Any] | None:
    """From an array to what the parameter takes; None where it takes the value as it is."""
    return CONVERTERS.get(kind)
