"""Operators that a converter does not have, as the simpler ones that PyTorch itself makes of them.

Only those are taken whose parts, and the parts of these, the converter has: what it would fail on anyway stays as the
user wrote it, so that the failure is told in the user's words.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch

__all__ = ["Known", "decomposed"]

Known = Callable[[str], bool]
Table = Mapping[torch._ops.OpOverload, Callable[..., Any]]
DEEPEST = 6
"""Rounds: a part of an operator may be made of parts in turn."""


def decomposed(program: torch.export.ExportedProgram, known: Known) -> tuple[torch.export.ExportedProgram, list[str]]:
    """The program without the operators that are unknown and can be replaced, and the names of those replaced.

    Args:
        known: whether the converter has an operator, by its name in PyTorch's schemas: ``aten::lerp``.
    """
    table: dict[torch._ops.OpOverload, Callable[..., Any]] = {}
    replaced = []
    for operator in sorted(_unknown(program, known), key=str):
        parts = _parts(program, operator, known)
        if parts is not None:
            table.update(parts)
            replaced.append(operator._schema.name.partition("::")[2])
    for _ in range(DEEPEST if table else 0):
        if not any(node.target in table for node in program.graph.nodes):
            break
        program = _without(program, table)
    return program, sorted(set(replaced))


def _parts(program: torch.export.ExportedProgram, operator: torch._ops.OpOverload, known: Known) -> Table | None:
    """What makes known operators of this one, or None."""
    others = _unknown(program, known) - {operator}
    table: dict[torch._ops.OpOverload, Callable[..., Any]] = {}
    waiting = {operator}
    for _ in range(DEEPEST):
        ways = {part: _ways().get(part) or _composite(part) for part in waiting}
        table.update((part, way) for part, way in ways.items() if way is not None)
        if len(table) < len(ways) or None in ways.values():
            return None
        try:
            program = _without(program, table)
        except Exception:  # PyTorch's own rule does not hold for such arguments
            return None
        waiting = _unknown(program, known) - others
        if not waiting:
            return table
        if waiting <= table.keys():
            return None
    return None


def _without(program: torch.export.ExportedProgram, table: Table) -> torch.export.ExportedProgram:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        simpler: torch.export.ExportedProgram = program.run_decompositions(dict(table))
    return simpler


def _unknown(program: torch.export.ExportedProgram, known: Known) -> set[torch._ops.OpOverload]:
    called = {node.target for node in program.graph.nodes if isinstance(node.target, torch._ops.OpOverload)}
    return {target for target in called if not known(target._schema.name)}


@functools.cache
def _ways() -> Table:
    from torch._decomp import decomposition_table

    return {
        **{key: way for key, way in decomposition_table.items() if isinstance(key, torch._ops.OpOverload)},
        **dict(torch.export.default_decompositions().items()),  # type: ignore[no-untyped-call]
    }


def _composite(operator: torch._ops.OpOverload) -> Callable[..., Any] | None:
    return operator.decompose if operator._can_decompose() else None
