"""What runs along an axis: products, running values, order statistics and places in a sorted list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from edgeproof.formats.rewrites.base import OperatorRewrite

__all__ = [
    "DISTANCES",
    "ORDER",
    "ORDER_BY_RANK",
    "PLACES",
    "PRODUCTS",
    "RUNNING",
    "RUNNING_PRODUCT",
    "RUNNING_SUM",
    "TOP_BY_RANK",
    "VARIANCE",
]

LONGEST_RANKED = 512
"""Elements of an axis: their ranks take the square of that."""


def _running(combine: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Prefixes in log₂ n rounds, each combined with the one 1, 2, 4… before it (Hillis and Steele, 1986)."""

    def rule(x: torch.Tensor, dim: int, **_options: Any) -> torch.Tensor:
        size, step = (x.shape[dim] if x.ndim else 1), 1
        while step < size:
            later = combine(x.narrow(dim, step, size - step), x.narrow(dim, 0, size - step))
            x = torch.cat([x.narrow(dim, 0, step), later], dim)
            step *= 2
        return x

    return rule


def _with_places(rule: Callable[..., torch.Tensor]) -> Callable[..., Any]:
    """A pair whose second half, places, is zeros: the proof on samples refuses it where somebody reads it."""

    def pair(x: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
        values = rule(x, dim)
        return values, torch.zeros_like(values, dtype=torch.int64)

    return pair


def _log_add(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.maximum(a, b) + torch.log1p(torch.exp(-torch.abs(a - b)))


def _prod(x: torch.Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    if dtype is not None:
        return NotImplemented
    if dim is None:
        x, dim = x.reshape(-1), 0
    while x.shape[dim] > 1:
        half = x.shape[dim] // 2
        product = x.narrow(dim, 0, half) * x.narrow(dim, half, half)
        rest = x.narrow(dim, 2 * half, x.shape[dim] - 2 * half)
        x = torch.cat([product, rest], dim) if rest.shape[dim] else product
    return x if keepdim else x.squeeze(dim)


def _ranked(x: torch.Tensor, dim: int = -1, descending: bool = False, **_options: Any) -> Any:
    """An axis in order, and where each element stood. An element's rank is how many stand before it, all compared."""
    size = x.shape[dim] if x.ndim else 1
    if size > LONGEST_RANKED or not x.ndim:
        return NotImplemented
    moved = x.movedim(dim, -1)
    mine, other = moved.unsqueeze(-1), moved.unsqueeze(-2)
    earlier = torch.tensor([[column < row for column in range(size)] for row in range(size)])
    ahead = (other > mine) if descending else (other < mine)
    ranks = (
        torch.logical_or(ahead, torch.logical_and(other == mine, earlier)).to(torch.int32).sum(-1, dtype=torch.int32)
    )
    numbers = torch.arange(size, dtype=torch.int32)
    stands = (ranks.unsqueeze(-2) == numbers.unsqueeze(-1)).to(torch.int32)
    places = (stands * numbers).sum(-1, dtype=torch.int32).to(torch.int64)
    return torch.gather(moved, -1, places).movedim(-1, dim), places.movedim(-1, dim)


def _ranked_argsort(x: torch.Tensor, dim: int = -1, descending: bool = False, **_options: Any) -> Any:
    found = _ranked(x, dim, descending)
    return found if found is NotImplemented else found[1]


def _ranked_top(x: torch.Tensor, k: int, dim: int = -1, largest: bool = True, _sorted: bool = True) -> Any:
    found = _ranked(x, dim, largest)
    return found if found is NotImplemented else tuple(part.narrow(dim, 0, k) for part in found)


def _order(sort: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """Rules for what is one place of a sorted axis."""

    def nth(x: torch.Tensor, place: int, dim: int, keepdim: bool) -> Any:
        found = sort(x, dim)
        if found is NotImplemented:
            return found
        chosen = [part.narrow(dim, place, 1) for part in found]
        return tuple(part if keepdim else part.squeeze(dim) for part in chosen)

    def median(x: torch.Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is not None:
            return nth(x, (x.shape[dim] - 1) // 2, dim, keepdim)
        found = nth(x.reshape(-1), (x.numel() - 1) // 2, 0, False)
        return found if found is NotImplemented else found[0]

    def kthvalue(x: torch.Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
        return nth(x, k - 1, dim, keepdim)

    return {"aten.median": median, "aten.kthvalue": kthvalue}


def _searchsorted(
    edges: torch.Tensor,
    x: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: torch.Tensor | None = None,
) -> Any:
    """How many edges stand before each value."""
    if sorter is not None or not isinstance(x, torch.Tensor):
        return NotImplemented
    before = edges.unsqueeze(-2) if edges.ndim > 1 else edges
    value = x.unsqueeze(-1)
    smaller = before <= value if right or side == "right" else before < value
    return smaller.to(torch.int32).sum(-1).to(torch.int32 if out_int32 else torch.int64)


def _bucketize(x: Any, edges: torch.Tensor, *, out_int32: bool = False, right: bool = False) -> Any:
    return _searchsorted(edges, x, out_int32=out_int32, right=right)


def _cdist(x: torch.Tensor, y: torch.Tensor, p: float = 2.0, _compute_mode: int | None = None) -> Any:
    difference = torch.abs(x.unsqueeze(-2) - y.unsqueeze(-3))
    if p == 1:
        return difference.sum(-1)
    if p == 2:
        return torch.sqrt((difference * difference).sum(-1))
    return NotImplemented


def _var_mean(x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    keepdim = kwargs.get("keepdim", args[2] if len(args) > 2 else False)
    over = args[0] if args and not isinstance(args[0], bool) else kwargs.get("dim")
    variance = torch.var(x, *args, **kwargs)
    return variance, torch.mean(x, over, keepdim) if over is not None else torch.mean(x)


RUNNING = OperatorRewrite(
    name="running maxima and minima in rounds of growing steps",
    why="the converter has neither",
    rules={
        "aten.cummax": _with_places(_running(torch.maximum)),
        "aten.cummin": _with_places(_running(torch.minimum)),
    },
)
RUNNING_PRODUCT = OperatorRewrite(
    name="running products in rounds of growing steps",
    why="the converter has none",
    rules={"aten.cumprod": _running(torch.mul)},
)
RUNNING_SUM = OperatorRewrite(
    name="running logarithms of sums in rounds of growing steps",
    why="the converter has none",
    rules={"aten.logcumsumexp": _running(_log_add)},
)
PRODUCTS = OperatorRewrite(
    name="products along an axis half by half",
    why="the converter has no prod",
    rules={"aten.prod": _prod},
)
ORDER = OperatorRewrite(
    name="median and kthvalue as places of a sorted axis",
    why="the converter has neither",
    rules=_order(torch.sort),
)
ORDER_BY_RANK = OperatorRewrite(
    name="order by ranks, each element compared with each",
    why="the runtime has no sort",
    rules={
        **_order(_ranked),
        "aten.sort": _ranked,
        "aten.argsort": _ranked_argsort,
    },
)
TOP_BY_RANK = OperatorRewrite(
    name="the largest by ranks, each element compared with each",
    why="the runtime has no sort",
    rules={"aten.topk": _ranked_top},
)
PLACES = OperatorRewrite(
    name="places in a sorted list by counting",
    why="the converter has no searchsorted, or not for a list that all rows share",
    rules={"aten.searchsorted": _searchsorted, "aten.bucketize": _bucketize},
)
DISTANCES = OperatorRewrite(
    name="distances of all pairs by their differences",
    why="the converter has no cdist",
    rules={"aten.cdist": _cdist},
)
VARIANCE = OperatorRewrite(
    name="var_mean as two operators",
    why="the converter has no var_mean",
    rules={"aten.var_mean": _var_mean},
)
