"""What nodes without a memory compute, in float32 numpy, with every sum in one defined order.

A sum starts from the bias, or from zero, and takes its terms in ascending order: inputs of a Linear; kernel row, kernel
column, channel of a convolution; row, column of a pooling. Each product is rounded before it is added. A term whose
input is zero may be left out: it changes at most the sign of a zero.
"""

from __future__ import annotations

from functools import singledispatch
from itertools import product

import numpy as np

from edgeproof.spike.graph.primitives import (
    Affine,
    Array,
    Conv1d,
    Conv2d,
    Flatten,
    Identity,
    Linear,
    MaxPool2d,
    Output,
    Pair,
    Pool,
    Primitive,
    Scale,
    Shape,
    SumPool2d,
)
from edgeproof.spike.graph.shapes import output_shape, padding_pairs

__all__ = ["compute"]

F = np.float32


@singledispatch
def compute(node: Primitive, x: Array) -> Array:
    """A node's output for ``x``, float32 and without batch axis.

    Raises:
        TypeError: the node's output is not a function of ``x`` alone.
    """
    raise TypeError(f"{type(node).__name__} has a memory, a choice of semantics, or no input; it is given {x.shape}")


@compute.register(Identity)
@compute.register(Output)
def _pass(_node: Identity | Output, x: Array) -> Array:
    return x


@compute.register
def _scale(node: Scale, x: Array) -> Array:
    return x * np.asarray(node.scale, F)


@compute.register
def _flatten(node: Flatten, x: Array) -> Array:
    return x.reshape(output_shape(node, x.shape, "flatten"))


@compute.register(Linear)
@compute.register(Affine)
def _linear(node: Linear | Affine, x: Array) -> Array:
    weight = np.asarray(node.weight, F)
    total = np.asarray(node.bias, F) if isinstance(node, Affine) else np.zeros(weight.shape[:-1], F)
    for i in np.flatnonzero(x.reshape(-1, x.shape[-1]).any(axis=0)):
        total = total + weight[..., i] * x[..., i, None]
    return total


@compute.register
def _conv1d(node: Conv1d, x: Array) -> Array:
    (pad,) = padding_pairs(node, "convolution")
    padded, weight = _padded(x[:, None], ((0, 0), pad), F(0)), node.weight[:, :, None]
    rows = _convolved(padded, weight, node.bias, (1, node.stride), (1, node.dilation), node.groups)
    return rows[:, 0]


@compute.register
def _conv2d(node: Conv2d, x: Array) -> Array:
    above, beside = padding_pairs(node, "convolution")
    padded = _padded(x, (above, beside), F(0))
    return _convolved(padded, node.weight, node.bias, node.stride, node.dilation, node.groups)


@compute.register
def _pool(node: Pool, x: Array) -> Array:
    _, rows, columns = output_shape(node, x.shape, "pooling")
    (above, beside), (down, right) = node.padding, node.stride
    largest = isinstance(node, MaxPool2d)
    padded = _padded(x, ((above, above), (beside, beside)), F(-np.inf) if largest else F(0))
    total = np.full((x.shape[0], rows, columns), -np.inf if largest else 0.0, F)
    for ky, kx in product(*map(range, node.kernel_size)):
        part = padded[:, ky : ky + (rows - 1) * down + 1 : down, kx : kx + (columns - 1) * right + 1 : right]
        total = np.maximum(total, part) if largest else total + part
    if largest or isinstance(node, SumPool2d):
        return total
    return total * F(1.0 / (node.kernel_size[0] * node.kernel_size[1]))


def _convolved(padded: Array, weight: Array, bias: Array, stride: Pair, dilation: Pair, groups: int) -> Array:
    outputs, within, *taps = weight.shape
    (down, right), (tall, wide) = stride, dilation
    rows, columns = (
        (size - spread * (tap - 1) - 1) // step + 1
        for size, spread, tap, step in zip(padded.shape[1:], dilation, taps, stride, strict=True)
    )
    weight = np.asarray(weight, F)
    total = np.broadcast_to(np.asarray(bias, F)[:, None, None], (outputs, rows, columns))
    first_channel = np.arange(outputs) // (outputs // groups) * within
    for ky, kx in product(*map(range, taps)):
        top, left = ky * tall, kx * wide
        part = padded[:, top : top + (rows - 1) * down + 1 : down, left : left + (columns - 1) * right + 1 : right]
        for c in range(within):
            total = total + weight[:, c, ky, kx][:, None, None] * part[first_channel + c]
    return total


def _padded(x: Array, padding: tuple[Pair, Pair], value: np.float32) -> Array:
    shape: Shape = (x.shape[0], x.shape[1] + sum(padding[0]), x.shape[2] + sum(padding[1]))
    out = np.full(shape, value, F)
    out[:, padding[0][0] : padding[0][0] + x.shape[1], padding[1][0] : padding[1][0] + x.shape[2]] = x
    return out
