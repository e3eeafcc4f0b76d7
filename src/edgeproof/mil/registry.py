"""The operations that are known: each a pure function, registered under its name and the version that brought it."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, TypeVar, get_type_hints

from edgeproof.mil.arguments import Kind, kind_of

__all__ = ["OPSETS", "Op", "Parameter", "find_op", "known_ops", "op"]

OPSETS = {"CoreML5": "iOS15", "CoreML6": "iOS16", "CoreML7": "iOS17", "CoreML8": "iOS18", "CoreML9": "iOS26"}
"""MIL's names of its versions, oldest first, and the systems that brought them."""
ORDER = list(OPSETS.values())

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Parameter:
    """``default`` is ``inspect.Parameter.empty`` where a program has to give it."""

    name: str
    kind: Kind
    default: Any

    @property
    def required(self) -> bool:
        """Whether a program has to give it."""
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True)
class Op:
    """One version of an operation.

    Attributes:
        since: the system whose opset brought this version.
        function: computes in the dtype of the arrays it is given.
        moves: it gives what it is given, elsewhere or not at all: nothing is computed and so nothing is rounded.
        foldable: of constants it gives a constant, worth computing once: a compressed weight.
    """

    name: str
    since: str
    function: Callable[..., Any]
    moves: bool
    foldable: bool
    parameters: tuple[Parameter, ...]

    @property
    def family(self) -> str:
        """The file it stands in."""
        return self.function.__module__.rpartition(".")[2]


_OPS: dict[str, dict[str, Op]] = {}


def op(
    name: str, since: str = "iOS15", *, moves: bool = False, foldable: bool = False
) -> Callable[[Function], Function]:
    """Register a function as an operation.

    The function's parameters are named as MIL names them; their annotations say what it is given: ``Array``,
    ``tuple[Array, ...]`` (several), ``int``, ``float``, ``bool``, ``str``, ``tuple[int, ...]``, ``Body`` (a block),
    ``StateCell``, ``Elements`` (a list), ``Budget`` (what it may take). It gives one array, or a tuple of them.

    Raises:
        ValueError: no such opset, or one that registers the operation already.
    """
    if since not in ORDER:
        raise ValueError(f"{name}: no opset {since}")

    def register(function: Function) -> Function:
        hints = get_type_hints(function)
        parameters = tuple(
            Parameter(parameter.name, kind_of(hints[parameter.name]), parameter.default)
            for parameter in inspect.signature(function).parameters.values()
        )
        versions = _OPS.setdefault(name, {})
        if since in versions:
            raise ValueError(f"{name} is registered twice for {since}")
        versions[since] = Op(name, since, function, moves, foldable, parameters)
        return function

    return register


@cache
def _load_families() -> None:
    package = import_module("edgeproof.mil.ops")
    for module in pkgutil.iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")


def known_ops() -> dict[str, tuple[Op, ...]]:
    """Every operation by name, its versions oldest first."""
    _load_families()
    return {
        name: tuple(sorted(versions.values(), key=lambda version: ORDER.index(version.since)))
        for name, versions in sorted(_OPS.items())
    }


def find_op(name: str, opset: str) -> Op | None:
    """The version of an operation that a program of ``opset`` (``CoreML7``) means; None where there is none."""
    _load_families()
    level = ORDER.index(OPSETS[opset])
    versions = [version for since, version in _OPS.get(name, {}).items() if ORDER.index(since) <= level]
    return max(versions, key=lambda version: ORDER.index(version.since), default=None)
