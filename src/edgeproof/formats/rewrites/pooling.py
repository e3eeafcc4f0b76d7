"""Adaptive pooling as pooling of fixed windows."""

from __future__ import annotations

from typing import Any

import torch

from edgeproof.formats.rewrites.base import OperatorRewrite

__all__ = ["ADAPTIVE_MAX_POOL"]


def _windows(size: int, out: int) -> list[tuple[int, int]]:
    """Start and end of each output's window, as PyTorch lays them out."""
    return [((i * size) // out, -((-(i + 1) * size) // out)) for i in range(out)]


def _pooled(x: torch.Tensor, output_size: list[int], reduce: Any) -> torch.Tensor:
    height, width = output_size
    rows = [
        torch.cat([reduce(x[..., top:bottom, left:right]) for left, right in _windows(x.shape[-1], width)], dim=-1)
        for top, bottom in _windows(x.shape[-2], height)
    ]
    return torch.cat(rows, dim=-2)


def _adaptive_max_pool2d(x: torch.Tensor, output_size: list[int]) -> Any:
    values = _pooled(x, output_size, lambda part: part.amax((-2, -1), keepdim=True))
    return values, torch.zeros_like(values, dtype=torch.int64)


ADAPTIVE_MAX_POOL = OperatorRewrite(
    name="adaptive max pooling as maxima over its windows",
    why="the converter has no adaptive max pooling",
    rules={"aten.adaptive_max_pool2d": _adaptive_max_pool2d},
)
