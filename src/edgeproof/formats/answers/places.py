"""Where in the user's model an operator comes from that a converter names in its own words."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from edgeproof.model.lines import line_of

__all__ = ["Place", "calls", "places_at", "places_of"]

SUFFIXES = ("ex", "forward", "functional", "cachemask", "withindices")
"""What PyTorch appends to the name of an operator's inner part."""

APART = {("view", "dtype")}
"""Overloads that do something else than the operator of that name does."""


@dataclass(frozen=True)
class Place:
    """An operator of the exported program, and the line that calls it.

    Attributes:
        operator: its name in PyTorch: ``linalg_svd``.
        location: ``file:line``; None where the program keeps none.
        source: the text of that line.
    """

    operator: str
    location: str | None
    source: str

    def __str__(self) -> str:
        if self.location is None:
            return self.operator
        return f"{self.operator} at {self.location}" + (f": `{self.source}`" if self.source else "")


def calls(program: torch.export.ExportedProgram) -> list[Place]:
    """Every operator of the program, with its line, in order."""
    return [place for node in program.graph.nodes if (place := _place(node)) is not None]


def places_of(program: torch.export.ExportedProgram, name: str) -> list[Place]:
    """The user's calls of an operator, or of what PyTorch makes that operator of.

    Args:
        name: as a converter says it: ``aten._linalg_svd.default``, ``prims.erf_inv``, ``grid_sampler``.
    """
    wanted = _plain(name)
    direct = _named(calls(program), wanted)
    if direct:
        return direct
    parts: Any = None
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = program.run_decompositions()
    if parts is None:
        return []
    own = {node.name: node for node in program.graph.nodes}
    found = [_origin(node, own) for node in parts.graph.nodes if _operator(node) and _plain(_operator(node)) == wanted]
    return _once(place for node in found if node is not None and (place := _place(node)) is not None)


def places_at(program: torch.export.ExportedProgram, location: str, name: str) -> list[Place]:
    """The operators of one line, those of this name alone where there are any.

    Args:
        location: the end of ``file:line``.
        name: as a converter says it.
    """
    file, _, line = location.rpartition(":")
    trace = f'File "{file}", line {line}'
    nodes = [node for node in program.graph.nodes if trace in (node.meta.get("stack_trace") or "")]
    found = _once(place for node in nodes if (place := _place(node)) is not None)
    return _named(found, _plain(name)) or found


def _named(places: Iterable[Place], wanted: str) -> list[Place]:
    return _once(place for place in places if _plain(place.operator) == wanted)


def _once(places: Iterable[Place]) -> list[Place]:
    return list(dict.fromkeys(places))


def _operator(node: torch.fx.Node) -> str:
    target = node.target
    if isinstance(target, torch._ops.HigherOrderOperator):
        return str(target.name())  # type: ignore[no-untyped-call]
    if not isinstance(target, torch._ops.OpOverload):
        return ""
    name = str(target._schema.name.partition("::")[2])
    return f"{name}.{target._overloadname}" if (name, target._overloadname) in APART else name


def _place(node: torch.fx.Node) -> Place | None:
    name = _operator(node)
    if not name:
        return None
    location, source = line_of(node.meta.get("stack_trace") or "")
    return Place(name, None if location.startswith("unknown:") else location, source)


def _origin(node: torch.fx.Node, own: dict[str, torch.fx.Node]) -> torch.fx.Node | None:
    """The node of the program that a part was made of."""
    waiting = list(node.meta.get("from_node") or ())
    while waiting:
        source = waiting.pop()
        found = own.get(source.name)
        if found is not None and _operator(found):
            return found
        waiting += source.from_node
    return None


def _plain(name: str) -> str:
    """Without name space, overload, underscores and PyTorch's suffixes."""
    name = name.lower().replace("::", ".")
    for space in ("torch.ops.", "aten.", "prims.", "prim.", "tfl.", "tf.", "stablehlo."):
        name = name.removeprefix(space)
    name = name.partition(".")[0].replace("_", "")
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name.removeprefix("bessel") if name.removeprefix("bessel") in ("i0", "i1") else name
