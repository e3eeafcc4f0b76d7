"""Layers with weights, poolings, and what takes tensors apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeproof.spike.from_torch.graph import array_of, name_of, shape_of, unknown, without_batch
from edgeproof.spike.from_torch.parts import Row
from edgeproof.spike.program import Array, Convolution, Linear, Node, Pool
from edgeproof.spike.simplify import Argument, constant, elementwise, reshape

if TYPE_CHECKING:
    import torch

__all__ = ["LAYERS", "Layer"]

LARGEST_SUM = 1 << 20
"""Of a sum over groups: values times groups, which are the weights of the layer that computes it."""
Layer = Callable[["torch.fx.Node", list[Any]], Any]
"""From a node of the graph and its arguments to its value."""


def linear(node: torch.fx.Node, args: list[Any]) -> Node:
    x, weight, bias = args[0], array_of(args[1]), args[2] if len(args) > 2 else None
    return _linear(node, x, weight, bias)


def addmm(node: torch.fx.Node, args: list[Any]) -> Node:
    return _linear(node, args[1], array_of(args[2]).T, args[0])


def matmul(node: torch.fx.Node, args: list[Any]) -> Node:
    return _linear(node, args[0], array_of(args[1]).T, None)


def _linear(node: torch.fx.Node, x: Any, weight: Array, bias: Any) -> Node:
    if isinstance(x, Row):
        first = np.zeros(len(weight), np.float32) if bias is None else array_of(bias)
        return reshape(x.linear(weight, np.broadcast_to(first, (len(weight),)).copy()), shape_of(node))
    if not isinstance(x, Node) or x.shape[-1:] != (x.size,):
        raise unknown(node, "a linear layer on more than one vector, or with weights that are computed")
    given = np.zeros(len(weight), np.float32) if bias is None else array_of(bias)
    made = Linear(reshape(x, (x.size,)), weight, np.broadcast_to(given, (len(weight),)).copy())
    return reshape(made, shape_of(node))


def convolution(node: torch.fx.Node, args: list[Any]) -> Node:
    x, weight, bias, stride, padding, dilation, groups = _convolution_arguments(node, args)
    taps = array_of(weight)
    flat = taps.ndim == 3
    if flat:
        taps, x = taps[:, :, None, :], reshape(x, (x.shape[0], 1, *x.shape[1:]))
    first = np.zeros(len(taps), np.float32) if bias is None else array_of(bias)
    made = Convolution(
        x,
        taps,
        first,
        stride=_pair(stride, 1, flat),
        padding=_pair(padding, 0, flat),
        dilation=_pair(dilation, 1, flat),
        groups=int(groups),
    )
    return reshape(made, shape_of(node))


def max_pool(node: torch.fx.Node, args: list[Any]) -> Node:
    kernel, stride, padding, dilation, ceil = (*args[1:], *(None,) * 5)[:5]
    if ceil or any(step != 1 for step in _listed(dilation)):
        raise unknown(node, "a maximum pooling with dilation or ceil_mode")
    pair = _pair(kernel, 1, False)
    steps = _pair(stride, 1, False) if _listed(stride) else pair
    return Pool(args[0], "max", pair, steps, _pair(padding, 0, False))


def average_pool(node: torch.fx.Node, args: list[Any]) -> Node:
    kernel, stride, padding, ceil, include, divisor = (*args[1:], *(None,) * 6)[:6]
    pair, pad = _pair(kernel, 1, False), _pair(padding, 0, False)
    if ceil or (include is False and pad != (0, 0)):
        raise unknown(node, "an average pooling with ceil_mode or without the padding in its count")
    steps = _pair(stride, 1, False) if _listed(stride) else pair
    return Pool(args[0], "sum", pair, steps, pad, 1.0 / float(divisor or math.prod(pair)))


def adaptive_pool(node: torch.fx.Node, args: list[Any]) -> Node:
    x, (rows, columns) = args[0], args[1]
    _, height, width = x.shape
    if height % rows or width % columns:
        raise unknown(node, f"an adaptive pooling of {height}×{width} to {rows}×{columns}")
    pair = (height // rows, width // columns)
    return Pool(x, "sum", pair, pair, (0, 0), 1.0 / math.prod(pair))


def mean(node: torch.fx.Node, args: list[Any]) -> Node:
    x, axes = args[0], _axes(node, args)
    if len(x.shape) != 3 or axes != (1, 2):
        return _total(node, x, axes, "mean")
    pair = (x.shape[1], x.shape[2])
    return reshape(Pool(x, "sum", pair, pair, (0, 0), 1.0 / math.prod(pair)), shape_of(node))


def total(node: torch.fx.Node, args: list[Any]) -> Node:
    return _total(node, args[0], _axes(node, args), "sum")


def _axes(node: torch.fx.Node, args: list[Any]) -> tuple[int, ...]:
    """Which axes of a sample are gone through, all of them where none is given."""
    whole = tuple(node.args[0].meta["val"].shape)  # type: ignore[union-attr]
    batch = len(whole) - len(without_batch(whole))
    given = _listed(args[1]) if len(args) > 1 else []
    axes = {axis % len(whole) - batch for axis in given} if given else set(range(len(whole) - batch))
    return tuple(sorted(axes - {-1}))


def _total(node: torch.fx.Node, x: Node, axes: tuple[int, ...], how: str) -> Node:
    """A sum over groups, such as a readout of populations: a layer of ones, so in the order of its inputs."""
    kept = tuple(axis for axis in range(len(x.shape)) if axis not in axes)
    count = math.prod(x.shape[axis] for axis in axes)
    if x.size * (x.size // count) > LARGEST_SUM:
        raise unknown(node, f"a {how} of so many groups of so many values")
    places = np.arange(x.size).reshape(x.shape).transpose(kept + axes).reshape(-1, count)
    weight = np.zeros((len(places), x.size), np.float32)
    weight[np.arange(len(places))[:, None], places] = 1.0 / count if how == "mean" else 1.0
    made = Linear(reshape(x, (x.size,)), weight, np.zeros(len(places), np.float32))
    return reshape(made, shape_of(node))


def batch_norm(node: torch.fx.Node, args: list[Any]) -> Any:
    x = args[0]
    arrays = [argument for argument in args[1:] if hasattr(argument, "numpy")]
    numbers = [argument for argument in args[1:] if isinstance(argument, float)]
    if len(arrays) != 4 or not isinstance(x, Node):
        raise unknown(node, "a batch norm without its weights or statistics")
    scale, shift, mean, variance = (array_of(array).astype(np.float64) for array in arrays)
    factor = scale / np.sqrt(variance + numbers[-1])
    offset = shift - mean * factor
    return _affine(x, factor.astype(np.float32), offset.astype(np.float32))


def item(node: torch.fx.Node, args: list[Any]) -> Any:
    if isinstance(args[0], list):
        return args[0][args[1]]
    if args[1] == 0 and isinstance(args[0], Node):
        return args[0]
    raise unknown(node, "an operation with several results")


def select(node: torch.fx.Node, args: list[Any]) -> Node:
    if args[0].size != math.prod(shape_of(node)):
        raise unknown(node, "a selection of some elements")
    return reshape(args[0], shape_of(node))


def unbind(node: torch.fx.Node, args: list[Any]) -> list[Node]:
    parts = node.meta["val"]
    if len(parts) != 1:
        raise unknown(node, "a tensor taken apart")
    return [reshape(args[0], without_batch(tuple(parts[0].shape)))]


def stack(node: torch.fx.Node, args: list[Any]) -> Node:
    if len(args[0]) != 1:
        raise unknown(node, "tensors put together")
    return reshape(args[0][0], shape_of(node))


def _affine(x: Node, factor: Array, offset: Array) -> Argument:
    """``factor · x + offset`` per channel, folded into a layer before it where there is one."""
    if isinstance(x, Linear):
        return Linear(x.x, x.weight * factor[:, None], x.bias * factor + offset)
    if isinstance(x, Convolution):
        return Convolution(
            x.x,
            x.weight * factor[:, None, None, None],
            x.bias * factor + offset,
            stride=x.stride,
            padding=x.padding,
            dilation=x.dilation,
            groups=x.groups,
        )
    wide = (slice(None), *(None,) * (len(x.shape) - 1))
    factors, offsets = (constant(np.broadcast_to(numbers[wide], x.shape).copy()) for numbers in (factor, offset))
    return elementwise("add", elementwise("mul", x, factors), offsets)


def _convolution_arguments(node: torch.fx.Node, args: list[Any]) -> tuple[Any, ...]:
    if name_of(node.target) == "aten.convolution":
        x, weight, bias, stride, padding, dilation, transposed, _, groups = args
        if transposed:
            raise unknown(node, "a transposed convolution")
        return x, weight, bias, stride, padding, dilation, groups
    x, weight, bias, stride, padding, dilation, groups = (*args, *(None,) * 7)[:7]
    if isinstance(padding, str):
        raise unknown(node, f"a convolution with padding {padding!r}")
    return x, weight, bias, stride, padding, dilation, groups or 1


def _listed(value: Any) -> list[int]:
    return (
        [] if value is None else [int(number) for number in value] if isinstance(value, (list, tuple)) else [int(value)]
    )


def _pair(value: Any, default: int, flat: bool) -> tuple[int, int]:
    """Rows and columns; in one dimension there is one row."""
    listed = _listed(value) or [default]
    if flat:
        return (default, listed[0])
    return (listed[0], listed[-1])


LAYERS: dict[str, Layer] = {
    "aten.linear": linear,
    "aten.addmm": addmm,
    "aten.mm": matmul,
    "aten.matmul": matmul,
    "aten.convolution": convolution,
    "aten.conv1d": convolution,
    "aten.conv2d": convolution,
    "aten.max_pool2d": max_pool,
    "aten.max_pool2d_with_indices": max_pool,
    "aten.avg_pool2d": average_pool,
    "aten.adaptive_avg_pool2d": adaptive_pool,
    "aten.mean": mean,
    "aten.sum": total,
    "aten._native_batch_norm_legit_no_training": batch_norm,
    "aten.batch_norm": batch_norm,
    "getitem": item,
    "aten.select": select,
    "aten.unbind": unbind,
    "aten.stack": stack,
    "aten.cat": stack,
}
