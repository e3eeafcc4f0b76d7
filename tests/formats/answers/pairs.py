"""Operators that a format refuses, each beside what its answer says to write instead: both compute the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["PAIRS", "Computed", "Pair"]

VECTOR = "x:float32[1,16]"
MATRIX = "x:float32[1,4,4]"
PLANE = "x:float32[1,2,8,8]"
PLACES = "i:int64[1,6]"
SOURCE = "y:float32[1,6]"


@dataclass(frozen=True)
class Pair:
    """An operator as it is refused, and as it converts.

    Attributes:
        operator: what the answer names.
        format: that refuses it.
        inputs: of both.
        refused: a call with it.
        remedy: the same by the answer.
        largest: below which whole numbers of the inputs stay.
    """

    operator: str
    format: str
    inputs: tuple[str, ...]
    refused: Callable[..., Any]
    remedy: Callable[..., Any]
    largest: int = 6


class Computed(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        torch.manual_seed(0)
        self.register_buffer("weight", torch.randn(4, 4) + 4 * torch.eye(4))
        self.register_buffer("inverse", torch.linalg.inv(self.weight))
        self.register_buffer("repeats", torch.tensor([1, 2, 3, 1]))
        self.register_buffer("index", torch.repeat_interleave(torch.arange(4), self.repeats))
        self.register_buffer("table", torch.randn(10, 4))

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(self, *inputs)


def unique_count(_m: Computed, x: torch.Tensor) -> torch.Tensor:
    s = torch.sort(x.round(), -1)[0]
    return (s[..., 1:] != s[..., :-1]).sum(-1) + 1


def cross(_m: Computed, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    a, b = x.roll(-1, -1), y.roll(-1, -1)
    return (x * b - a * y).roll(-1, -1)


def histogram(_m: Computed, x: torch.Tensor) -> torch.Tensor:
    e = torch.linspace(-2.0, 2.0, 9)
    return ((x.unsqueeze(-1) >= e[:-1]) & (x.unsqueeze(-1) < e[1:])).sum(-2).float().squeeze(0)


def unpooled(_m: Computed, x: torch.Tensor) -> torch.Tensor:
    return torch.where(x == F.interpolate(F.max_pool2d(x, 2), scale_factor=2), x, 0.0)


def dilated(_m: Computed, x: torch.Tensor) -> torch.Tensor:
    offsets, h, w = (0, 2, 4), 4, 4
    return torch.stack([x[..., i : i + h, j : j + w] for i in offsets for j in offsets]).amax(0)


def scattered_maximum(_m: Computed, x: torch.Tensor, i: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    hit = i.unsqueeze(-2) == torch.arange(16).unsqueeze(-1)
    return torch.maximum(x, torch.where(hit, y.unsqueeze(-2), -1e30).amax(-1))


def scattered_sum(_m: Computed, x: torch.Tensor, i: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    hit = (i.unsqueeze(-2) == torch.arange(16).unsqueeze(-1)).float()
    return x + (hit * y.unsqueeze(-2)).sum(-1)


def filled(_m: Computed, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    mask = x > 0
    return torch.where(mask, y.gather(-1, (mask.long().cumsum(-1) - 1).clamp(min=0)), x)


def stirling(_m: Computed, x: torch.Tensor) -> torch.Tensor:
    x = x.abs() + 1
    y = x + 8
    value = (y - 0.5) * torch.log(y) - y + 0.5 * math.log(2 * math.pi) + 1 / (12 * y) - 1 / (360 * y**3)
    for k in range(8):
        value = value - torch.log(x + k)
    return value


def bessel(_m: Computed, x: torch.Tensor) -> torch.Tensor:
    q, term, total = x * x / 4, torch.ones_like(x), torch.ones_like(x)
    for k in range(1, 20):
        term = term * q / (k * k)
        total = total + term
    return total


def most_frequent(_m: Computed, x: torch.Tensor) -> torch.Tensor:
    x = torch.sort(x.round(), -1)[0]
    return x.gather(-1, (x.unsqueeze(-1) == x.unsqueeze(-2)).sum(-1).argmax(-1, keepdim=True)).squeeze(-1)


def matrix_exponential(_m: Computed, x: torch.Tensor) -> torch.Tensor:
    x, total = x * 0.1 * 2.0**-3, torch.eye(4)
    term = total
    for k in range(1, 8):
        term = term @ x / k
        total = total + term
    for _ in range(3):
        total = total @ total
    return total


def lower_quantile(_m: Computed, x: torch.Tensor) -> torch.Tensor:
    s = torch.sort(x, -1)[0]
    return 0.5 * s[..., 4] + 0.5 * s[..., 5]


PAIRS = (
    Pair("masked_select", "coreml", (VECTOR,), lambda _m, x: torch.masked_select(x, x > 0).sum(),
         lambda _m, x: torch.where(x > 0, x, 0.0).sum()),
    Pair("index", "litert", (VECTOR,), lambda _m, x: x[x > 0].sum(),
         lambda _m, x: torch.where(x > 0, x, 0.0).sum()),
    Pair("nonzero", "litert", (VECTOR,), lambda _m, x: (torch.nonzero(x > 0)[:, 0] + 1).sum(),
         lambda _m, x: (x > 0).long().sum()),
    Pair("_unique2", "openvino", (VECTOR,), lambda _m, x: torch.unique(x.round()).shape[0] + x[:, 0].long() * 0,
         unique_count),
    Pair("grid_sampler", "coreml", (PLANE, "y:float32[1,5,5,2]"),
         lambda _m, x, y: F.grid_sample(x, y, mode="bicubic", align_corners=False) * 0.0,
         lambda _m, x, y: F.grid_sample(x, y, mode="bilinear", align_corners=False) * 0.0),
    Pair("linalg_inv", "onnx", (MATRIX,), lambda m, x: torch.linalg.inv(m.weight + 0.0 * x) @ x,
         lambda m, x: m.inverse @ x),
    Pair("linalg_solve", "coreml", (MATRIX,), lambda m, x: torch.linalg.solve(m.weight, x),
         lambda m, x: m.inverse @ x),
    Pair("linalg_solve", "openvino", (MATRIX,), lambda m, x: torch.linalg.solve(m.weight, x),
         lambda m, x: m.inverse @ x),
    Pair("linalg_det", "coreml", ("x:float32[1,2,2]",), lambda _m, x: torch.linalg.det(x),
         lambda _m, x: x[..., 0, 0] * x[..., 1, 1] - x[..., 0, 1] * x[..., 1, 0]),
    Pair("linalg_matrix_exp", "onnx", (MATRIX,), lambda _m, x: torch.linalg.matrix_exp(x * 0.1), matrix_exponential),
    Pair("linalg_cross", "openvino", ("x:float32[1,5,3]", "y:float32[1,5,3]"),
         lambda _m, x, y: torch.linalg.cross(x, y), cross),
    Pair("bincount", "coreml", (PLACES,), lambda _m, i: torch.bincount(i[0], minlength=6),
         lambda _m, i: (i[0].unsqueeze(-1) == torch.arange(6)).sum(-2)),
    Pair("histc", "openvino", (VECTOR,), lambda _m, x: torch.histc(x, 8, -2, 2), histogram),
    Pair("max_unpool2d", "coreml", (PLANE,),
         lambda _m, x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), unpooled),
    Pair("max_pool2d", "coreml", (PLANE,), lambda _m, x: F.max_pool2d(x, 3, stride=1, dilation=2), dilated),
    Pair("scatter_reduce", "openvino", (VECTOR, PLACES, SOURCE),
         lambda _m, x, i, y: torch.scatter_reduce(x, 1, i, y, "amax"), scattered_maximum),
    Pair("scatter_add", "litert", (VECTOR, PLACES, SOURCE), lambda _m, x, i, y: torch.scatter_add(x, 1, i, y),
         scattered_sum),
    Pair("masked_scatter", "litert", (VECTOR, "y:float32[1,16]"), lambda _m, x, y: x.masked_scatter(x > 0, y), filled),
    Pair("repeat_interleave", "litert", ("x:float32[1,4]",), lambda m, x: torch.repeat_interleave(x, m.repeats, 1),
         lambda m, x: torch.index_select(x, 1, m.index)),
    Pair("lgamma", "coreml", (VECTOR,), lambda _m, x: torch.lgamma(x.abs() + 1), stirling),
    Pair("special_i0", "onnx", (VECTOR,), lambda _m, x: torch.special.i0(x), bessel),
    Pair("bitwise_and", "litert", (PLACES,), lambda _m, i: torch.bitwise_and(i, 2),
         lambda _m, i: 2 * torch.remainder(torch.div(i, 2**1, rounding_mode="floor"), 2)),
    Pair("logical_xor", "litert", (VECTOR,), lambda _m, x: torch.logical_xor(x > 0, x > 1).float(),
         lambda _m, x: ((x > 0).float() != (x > 1).float()).float()),
    Pair("embedding_bag", "coreml", (PLACES,), lambda m, i: F.embedding_bag(i, m.table),
         lambda m, i: F.embedding(i, m.table).mean(-2)),
    Pair("mode", "onnx", (VECTOR,), lambda _m, x: torch.mode(x.round(), -1)[0], most_frequent),
    Pair("as_strided", "coreml", (VECTOR,), lambda _m, x: torch.as_strided(x, (3, 8), (4, 1)),
         lambda _m, x: x[0].unfold(0, 8, 4)),
    Pair("view.dtype", "onnx", (VECTOR,), lambda _m, x: x.view(torch.int32).to(torch.float32) * 0.0,
         lambda _m, x: x.to(torch.int32).to(torch.float32) * 0.0),
    Pair("vander", "coreml", ("x:float32[1,5]",), lambda _m, x: torch.vander(x[0], 4),
         lambda _m, x: torch.stack([x[0] ** k for k in reversed(range(4))], -1)),
    Pair("cond", "litert", (VECTOR,),
         lambda _m, x: torch.cond(x.sum() > 0, lambda t: t + 1, lambda t: t - 1, (x,)),
         lambda _m, x: torch.where(x.sum() > 0, x + 1, x - 1)),
    Pair("quantile", "litert", (VECTOR,), lambda _m, x: torch.quantile(x, 0.3, dim=-1), lower_quantile),
    Pair("einsum", "openvino", (MATRIX,), lambda _m, x: torch.einsum("bii->b", x),
         lambda _m, x: torch.diagonal(x, dim1=-2, dim2=-1).sum(-1)),
    Pair("linalg_svd", "executorch", (MATRIX,), lambda m, x: torch.linalg.svd(m.weight + 0.0 * x)[1] * 0.0 + x[:, 0],
         lambda _m, x: x[:, 0] + 0.0),
    Pair("max_pool3d", "executorch", ("x:float32[1,2,4,8,8]",), lambda _m, x: F.max_pool3d(x, 2),
         lambda _m, x: F.max_pool2d(x[0], 2).unflatten(1, (2, 2)).amax(2).unsqueeze(0)),
)  # fmt: skip
