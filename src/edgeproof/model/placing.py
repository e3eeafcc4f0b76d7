"""What a write in place leaves, by operators that every converter knows: a choice between the old value and the new."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

__all__ = ["PLACING", "places_by_number"]

Tensor = torch.Tensor
AT_MOST = 16
"""Places of an index that are chosen one after the other; more of them stay with the operator."""


def _copy(written: Tensor, given: Tensor, **_options: Any) -> Tensor:
    result = given if given.dtype == written.dtype else given.to(written.dtype)
    return result.clone() if result.shape == written.shape else result.expand(written.shape)


def _fill(written: Tensor, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.to(written.dtype).expand(written.shape)
    return torch.full(list(written.shape), value, dtype=written.dtype)


def _places(x: Tensor, dim: int, at: Tensor) -> Tensor:
    """Where along ``dim`` the number ``at`` is, in a shape that goes with ``x``'s."""
    shape = [1] * x.ndim
    shape[dim] = x.shape[dim]
    return (torch.arange(x.shape[dim]) == torch.where(at < 0, at + x.shape[dim], at)).reshape(shape)


def _along(combine: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    """An operator that goes through an index along one dimension: old values, places, new values → values."""

    def rule(x: Tensor, dim: int, index: Tensor, source: Any, *, alpha: float = 1) -> Any:
        index = index.reshape(-1)
        if index.numel() > AT_MOST or x.ndim == 0 or index.dtype not in (torch.int64, torch.int32):
            return NotImplemented
        for number in range(index.numel()):
            given = source
            if isinstance(source, Tensor) and source.ndim:
                given = source.narrow(dim, number, 1) if source.shape[dim] > 1 else source
            elif not isinstance(source, Tensor):
                given = torch.full([], source, dtype=x.dtype)
            given = given if alpha == 1 else given * alpha
            x = combine(x, _places(x, dim, index.narrow(0, number, 1)), given)
        return x

    return rule


_replace = _along(lambda x, places, given: torch.where(places, given.to(x.dtype), x))
_add = _along(lambda x, places, given: torch.where(places, x + given, x))


def _index_put(x: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Any:
    given = [(axis, index) for axis, index in enumerate(indices) if index is not None]
    if len(given) != 1:
        return NotImplemented
    ((axis, index),) = given
    if index.dtype == torch.bool:
        if accumulate or values.numel() != 1:
            return NotImplemented
        shape = [1] * axis + list(index.shape) + [1] * (x.ndim - axis - index.ndim)
        return torch.where(index.reshape(shape), values.reshape([]).to(x.dtype), x)
    if index.ndim > 1:
        return NotImplemented
    count = index.numel()
    shape = [*x.shape[:axis], count, *x.shape[axis + 1 :]]
    spread = values.expand([*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]]).reshape(shape)
    return (_add if accumulate else _replace)(x, axis, index, spread)


def _diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    moved, places, first, count = _on_diagonal(x, offset, dim1, dim2)
    zero = torch.zeros([], dtype=x.dtype)
    return torch.where(places, moved, zero).sum(-1, dtype=x.dtype).narrow(-1, first, count)


def _diagonal_scatter(x: Tensor, source: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    moved, places, first, count = _on_diagonal(x, offset, dim1, dim2)
    spread = torch.nn.functional.pad(source, (first, x.shape[dim1] - first - count))[..., None]
    return torch.where(places, spread, moved).movedim((-2, -1), (dim1, dim2))


def _on_diagonal(x: Tensor, offset: int, dim1: int, dim2: int) -> tuple[Tensor, Tensor, int, int]:
    """The two dimensions last, where the diagonal is in them, its first row, and how long it is."""
    rows, columns = x.shape[dim1], x.shape[dim2]
    places = torch.arange(rows)[:, None] + offset == torch.arange(columns)[None]
    first = max(0, -offset)
    return x.movedim((dim1, dim2), (-2, -1)), places, first, max(0, min(rows - first, columns - max(0, offset)))


def places_by_number(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """The program with what it writes at places that whole numbers say (``index_copy``) in simpler operators too, where
    it writes there without writing in place."""
    if not any(node.target in BY_NUMBER for node in program.graph.nodes):
        return program
    simpler: torch.export.ExportedProgram = program.run_decompositions({name: PLACING[name] for name in BY_NUMBER})
    return simpler


_aten = torch.ops.aten
BY_NUMBER = (_aten.index_copy.default, _aten.index_fill.int_Scalar, _aten.index_fill.int_Tensor)
PLACING: dict[Any, Callable[..., Any]] = {
    _aten.copy.default: _copy,
    _aten.fill.Scalar: _fill,
    _aten.fill.Tensor: _fill,
    _aten.index_copy.default: _replace,
    _aten.index_add.default: _add,
    _aten.index_fill.int_Scalar: _replace,
    _aten.index_fill.int_Tensor: _replace,
    _aten.index_put.default: _index_put,
    _aten.diagonal.default: _diagonal,
    _aten.diagonal_scatter.default: _diagonal_scatter,
}
"""Operators of a program that writes nothing any more → the same in simpler ones, or NotImplemented."""
