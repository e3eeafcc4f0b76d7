"""What picks, places and pads elements, by operators that every converter has."""

from __future__ import annotations

from typing import Any

import torch

from edgeproof.formats.rewrites.base import OperatorRewrite
from edgeproof.formats.rewrites.convolution import overlapped

__all__ = ["AFFINE_GRID", "BILINEAR", "DIAGONAL", "FOLD", "INDEXED", "ONE_HOT", "PADDING", "TRIANGLE"]


def _diagonal(x: torch.Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> torch.Tensor:
    """The two axes as one, and the diagonal's places in it."""
    dim1, dim2 = dim1 % x.ndim, dim2 % x.ndim
    rows, columns = x.shape[dim1], x.shape[dim2]
    others = [axis for axis in range(x.ndim) if axis not in (dim1, dim2)]
    flat = x.permute([*others, dim1, dim2]).reshape([*[x.shape[axis] for axis in others], rows * columns])
    places = [row * columns + row + offset for row in range(rows) if 0 <= row + offset < columns]
    return flat.index_select(-1, torch.tensor(places, dtype=torch.int64))


def _triangle(below: bool) -> Any:
    make = torch.tril_indices if below else torch.triu_indices

    def rule(rows: int, columns: int, offset: int = 0, **_options: Any) -> torch.Tensor:
        places = [
            (row, column)
            for row in range(rows)
            for column in range(columns)
            if (column - row <= offset if below else column - row >= offset)
        ]
        return torch.tensor([[row for row, _ in places], [column for _, column in places]], dtype=torch.int64)

    rule.__name__ = make.__name__
    return rule


def _along(index: torch.Tensor, x: torch.Tensor, dim: int) -> torch.Tensor:
    """An index of one axis for every element of a slice."""
    dim %= x.ndim
    shape = list(x.shape)
    shape[dim] = index.shape[0]
    return index.reshape([-1 if axis == dim else 1 for axis in range(x.ndim)]).expand(shape)


def _index_add(x: torch.Tensor, dim: int, index: torch.Tensor, source: torch.Tensor, *, alpha: Any = 1) -> Any:
    return torch.scatter_add(x, dim, _along(index, x, dim), source if alpha == 1 else source * alpha)


def _index_copy(x: torch.Tensor, dim: int, index: torch.Tensor, source: torch.Tensor) -> Any:
    return torch.scatter(x, dim, _along(index, x, dim), source)


def _index_fill(x: torch.Tensor, dim: int, index: torch.Tensor, value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return NotImplemented
    places = _along(index, x, dim)
    return torch.scatter(x, dim, places, torch.full(list(places.shape), value, dtype=x.dtype))


def _pad(x: torch.Tensor, pad: list[int], mode: str = "constant", value: float | None = None) -> Any:
    """Circular: what stands at the other end; less than nothing: cut off."""
    if mode == "circular":
        for number in range(len(pad) // 2):
            axis, (before, after) = -1 - number, pad[2 * number : 2 * number + 2]
            size = x.shape[axis]
            if before < 0 or after < 0:
                return NotImplemented
            parts = [x.narrow(axis, size - before, before)] * (before > 0) + [x]
            x = torch.cat([*parts, *[x.narrow(axis, 0, after)] * (after > 0)], axis)
        return x
    if mode != "constant" or min(pad) >= 0:
        return NotImplemented
    for number in range(len(pad) // 2):
        axis, (before, after) = -1 - number, pad[2 * number : 2 * number + 2]
        x = x.narrow(axis, max(0, -before), x.shape[axis] - max(0, -before) - max(0, -after))
    return torch.nn.functional.pad(x, [max(0, side) for side in pad], value=value or 0.0)


def _one_hot(index: torch.Tensor, classes: int = -1) -> Any:
    if classes < 1:
        return NotImplemented
    return (index.unsqueeze(-1) == torch.arange(classes, dtype=index.dtype)).to(torch.int64)


def _bilinear(x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> Any:
    """y_k = Σ_ij a_i W_kij b_j + bias_k, as a matrix product and a sum of products."""
    mixed = torch.matmul(x.unsqueeze(-2).unsqueeze(-2), weight).squeeze(-2)
    value = (mixed * y.unsqueeze(-2)).sum(-1)
    return value if bias is None else value + bias.reshape([1] * (value.ndim - 1) + [-1])


def _affine_grid(theta: torch.Tensor, size: list[int], align_corners: bool) -> Any:
    """Places of the output's pixels between -1 and 1, times the transposed matrix."""
    axes = []
    for count in size[2:]:
        edge = 1.0 if align_corners else 1.0 - 1.0 / count
        axes.append([0.0] if count == 1 else [-edge + 2 * edge * at / (count - 1) for at in range(count)])
    if len(axes) != 2:
        return NotImplemented
    places = torch.tensor([[across, down, 1.0] for down in axes[0] for across in axes[1]], dtype=theta.dtype)
    return torch.matmul(places, theta.transpose(1, 2)).reshape(size[0], size[2], size[3], 2)


def _col2im(
    x: torch.Tensor, size: list[int], kernel: list[int], dilation: list[int], padding: list[int], stride: list[int]
) -> torch.Tensor:
    return overlapped(x, size, kernel, dilation, padding, stride)


DIAGONAL = OperatorRewrite(
    name="diagonals by picking elements",
    why="the converter has no diagonal, or only that of the first two axes",
    rules={"aten.diagonal": _diagonal},
)
TRIANGLE = OperatorRewrite(
    name="indices of a triangle as constants",
    why="the converter has none",
    rules={"aten.tril_indices": _triangle(True), "aten.triu_indices": _triangle(False)},
)
INDEXED = OperatorRewrite(
    name="index_add, index_copy and index_fill by scatter",
    why="the converter has none of them for an axis of its own",
    rules={"aten.index_add": _index_add, "aten.index_copy": _index_copy, "aten.index_fill": _index_fill},
)
PADDING = OperatorRewrite(
    name="circular and negative padding by cutting and joining",
    why="the converter pads with constants, by reflection and by repetition only",
    rules={"aten.pad": _pad},
)
ONE_HOT = OperatorRewrite(
    name="one_hot by comparing",
    why="the converter has no check of the classes that it makes",
    rules={"aten.one_hot": _one_hot},
)
BILINEAR = OperatorRewrite(
    name="bilinear as a matrix product and a sum",
    why="the converter has no bilinear",
    rules={"aten.bilinear": _bilinear},
)
AFFINE_GRID = OperatorRewrite(
    name="affine grid as a product with constant places",
    why="the converter loses a value of it",
    rules={"aten.affine_grid_generator": _affine_grid},
)
FOLD = OperatorRewrite(
    name="overlapping windows added by a transposed convolution",
    why="the converter takes windows that do not overlap only",
    rules={"aten.col2im": _col2im},
)
