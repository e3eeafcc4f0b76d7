"""Resizing with antialiasing as a product with a constant matrix along each axis: converters lack it, or leave the
antialiasing out without a word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from edgeproof.formats.rewrites.base import OperatorRewrite

__all__ = ["ANTIALIASED"]


def _triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _cubic(x: float) -> float:
    """Keys' kernel with a = -1/2."""
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0


def _line(size: int, out: int, step: float, kernel: Callable[[float], float], reach: float) -> list[list[float]]:
    """Shares of each input place in each output place. ``step``: input places to one of the output."""
    wide = max(step, 1.0)
    rows = []
    for place in range(out):
        centre = step * (place + 0.5)
        first = max(int(centre - reach * wide + 0.5), 0)
        last = min(int(centre + reach * wide + 0.5), size)
        shares = [kernel((at - centre + 0.5) / wide) if first <= at < last else 0.0 for at in range(size)]
        rows.append([share / sum(shares) for share in shares])
    return rows


def _resized(kernel: Callable[[float], float], reach: float) -> Callable[..., Any]:
    def rule(x: torch.Tensor, output_size: Sequence[int] | None, align_corners: bool, *scales: Any) -> Any:
        given = list(scales[0]) if scales and isinstance(scales[0], (list, tuple)) else [*scales, None, None][:2]
        if not x.is_floating_point():
            return NotImplemented
        sizes = output_size or [int(size * scale) for size, scale in zip(x.shape[-2:], given, strict=True)]
        for axis, out, scale in zip((-2, -1), sizes, given, strict=True):
            size = x.shape[axis]
            step = 1 / scale if scale else size / out
            if align_corners:
                step = (size - 1) / (out - 1) if out > 1 else 0.0
            matrix = torch.tensor(_line(size, out, step, kernel, reach), dtype=x.dtype)
            x = torch.matmul(x.transpose(axis, -1), matrix.transpose(0, 1)).transpose(axis, -1)
        return x

    return rule


ANTIALIASED = OperatorRewrite(
    name="resizing with antialiasing as products with constant matrices",
    why="the converter has none, or resizes without it",
    rules={
        "aten._upsample_bilinear2d_aa": _resized(_triangle, 1.0),
        "aten._upsample_bicubic2d_aa": _resized(_cubic, 2.0),
    },
)
