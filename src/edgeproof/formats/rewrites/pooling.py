"""Pooling that converters or runtimes do not have, or have otherwise, as pooling of plain windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from edgeproof.formats.rewrites.base import OperatorRewrite, operator_name

__all__ = ["ADAPTIVE_AVERAGE_POOL_3D", "ADAPTIVE_MAX_POOL", "AVERAGE_BEYOND_PADDING"]


POOLS = tuple(f"aten.avg_pool{rank}d" for rank in (1, 2, 3))


def _windows(size: int, out: int) -> list[tuple[int, int]]:
    """Start and end of each output's window, as PyTorch lays them out."""
    return [((i * size) // out, -((-(i + 1) * size) // out)) for i in range(out)]


def _pooled(x: torch.Tensor, output_size: Sequence[int], reduce: Any) -> torch.Tensor:
    """Axis by axis: the maximum of a box is that of its rows' maxima, and so with means."""
    for number, out in enumerate(output_size):
        axis = x.ndim - len(output_size) + number
        windows = _windows(x.shape[axis], out)
        x = torch.cat([reduce(x.narrow(axis, start, end - start), axis) for start, end in windows], axis)
    return x


def _adaptive_max_pool(x: torch.Tensor, output_size: list[int]) -> Any:
    values = _pooled(x, output_size, lambda part, axis: part.amax(axis, keepdim=True))
    return values, torch.zeros_like(values, dtype=torch.int64)


def _adaptive_average_pool(x: torch.Tensor, output_size: list[int]) -> Any:
    return _pooled(x, output_size, lambda part, axis: part.mean(axis, keepdim=True))


ADAPTIVE_MAX_POOL = OperatorRewrite(
    name="adaptive max pooling as maxima over its windows",
    why="the converter has no adaptive max pooling",
    rules={f"aten.adaptive_max_pool{rank}d": _adaptive_max_pool for rank in (1, 2, 3)},
)
ADAPTIVE_AVERAGE_POOL_3D = OperatorRewrite(
    name="adaptive average pooling of volumes as means over its windows",
    why="the converter has none of volumes",
    rules={"aten.adaptive_avg_pool3d": _adaptive_average_pool},
)


def _average(
    x: torch.Tensor,
    kernel: list[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Windows that reach beyond the padding: padded by as much, averaged, and scaled to the elements that count."""
    rank = len(kernel)
    kernel, stride, padding = list(kernel), list(stride) or list(kernel), list(padding) * (rank // len(padding))
    sizes = list(x.shape[-rank:])
    if not ceil_mode:
        return NotImplemented
    counts, beyond = [], []
    for size, wide, step, pad in zip(sizes, kernel, stride, padding, strict=True):
        room = size + 2 * pad - wide
        places = -(-room // step) + 1
        if (places - 1) * step >= size + pad:
            places -= 1  # a window has to begin inside, or in the padding before
        beyond.append(max(0, (places - 1) * step - room))
        low, high = (-pad, size + pad) if count_include_pad else (0, size)
        starts = [place * step - pad for place in range(places)]
        counts.append([min(start + wide, high) - max(start, low) for start in starts])
    average = (torch.avg_pool1d, torch.nn.functional.avg_pool2d, torch.nn.functional.avg_pool3d)[rank - 1]
    if not any(beyond) and count_include_pad and divisor_override is None:
        return average(x, kernel, stride, padding, False, True)
    pads = [side for pad, more in reversed(list(zip(padding, beyond, strict=True))) for side in (pad, pad + more)]
    whole = float(math.prod(kernel))
    factor = torch.ones([1] * rank)
    for axis, line in enumerate(counts):
        shape = [1] * rank
        shape[axis] = len(line)
        factor = factor * torch.tensor(line, dtype=x.dtype).reshape(shape)
    scale = whole / factor if divisor_override is None else whole / float(divisor_override)
    return average(torch.nn.functional.pad(x, pads), kernel, stride) * scale


def _ceils(graph: torch.fx.Graph) -> bool:
    return any(
        operator_name(node.target) in POOLS and any((*node.args[4:5], node.kwargs.get("ceil_mode")))
        for node in graph.nodes
        if node.op == "call_function"
    )


AVERAGE_BEYOND_PADDING = OperatorRewrite(
    name="average pooling whose windows reach beyond the padding, as padding, plain averages and their scale",
    why="Core ML is reported to divide by the whole window there, and PyTorch divides by what is inside",
    rules=dict.fromkeys(POOLS, _average),
    needed=_ceils,
)
