"""Which constants of two programs are the same weight: by what reads them, whatever it is called.

Two packages of one model, made by different converters or at different times, name operations differently. What an
operation is, and what it is computed from, stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeproof.mil.program.program import Argument, Block, Function, Literal, ValueName
from edgeproof.mil.values import Array

__all__ = ["Constant", "Place", "pair", "places"]

Place = tuple[int, str]
"""An operation by what it is computed from, and one of its parameters."""
SEEN_THROUGH = ("cast", "identity")
"""Kinds of operations that a change of precision adds or takes away."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A floating-point constant that an operation reads.

    Attributes:
        where: the operation's kind and name, and as what it reads it.
        place: the same without names.
        value: decompressed.
        kind: of the operation that decompresses it, or "".
    """

    where: str
    place: Place
    value: Array
    kind: str


def places(function: Function) -> Mapping[str, int]:
    """Every value by what computes it from the function's inputs: kinds of operations and shapes of constants."""
    found = {value.name: hash(("input", at)) for at, value in enumerate(function.inputs)}
    _name(function.block, found, set())
    return found


def _name(block: Block, found: dict[str, int], constants: set[str]) -> None:
    for at, value in enumerate(block.inputs):
        found.setdefault(value.name, hash(("begins", at)))
    for operation in block.operations:
        given = dict(sorted(operation.inputs.items()))
        if given and all(_is_constant(argument, constants) for arguments in given.values() for argument in arguments):
            constants.update(output.name for output in operation.outputs)
            continue
        computed = tuple(
            (name, tuple(found.get(argument.name, 0) for argument in values))
            for name, arguments in given.items()
            if (values := _computed(arguments, constants))
        )
        for nested in operation.blocks:
            _name(nested, found, constants)
        own = hash((operation.kind, computed))
        if operation.kind in SEEN_THROUGH and len(computed) == 1:
            own = computed[0][1][0]
        found.update((output.name, hash((own, at)) if at else own) for at, output in enumerate(operation.outputs))


def _computed(arguments: Iterable[Argument], constants: set[str]) -> list[ValueName]:
    return [value for value in arguments if isinstance(value, ValueName) and value.name not in constants]


def _is_constant(argument: Argument, constants: set[str]) -> bool:
    return isinstance(argument, Literal) or argument.name in constants


def pair(base: Sequence[Constant], others: Sequence[Constant]) -> list[tuple[Constant, Constant | None]]:
    """Each of ``others`` with the one of ``base`` that it was made of; None where there is none of its shape.

    By name and place; then by place, and of several there by the least difference; then by name alone.
    """
    left = list(base)
    found: dict[Constant, Constant] = {}
    for by_place, by_name in ((True, True), (True, False), (False, True)):
        candidates = [
            (_apart(mine.value, other.value), at, index)
            for index, other in enumerate(others)
            if other not in found
            for at, mine in enumerate(left)
            if mine.value.shape == other.value.shape
            and (mine.place == other.place or not by_place)
            and (mine.where == other.where or not by_name)
        ]
        taken: set[int] = set()
        for _, at, index in sorted(candidates):
            if at not in taken and others[index] not in found:
                taken.add(at)
                found[others[index]] = left[at]
        left = [mine for at, mine in enumerate(left) if at not in taken]
    return [(other, found.get(other)) for other in others]


def _apart(a: Array, b: Array) -> float:
    """The norm of the difference; one that is no number is the greatest."""
    with np.errstate(all="ignore"):
        norm = float(np.linalg.norm(a.astype(np.float64) - b.astype(np.float64)))
    return norm if np.isfinite(norm) else float("inf")
