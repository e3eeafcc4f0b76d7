"""What each node makes of a shape, and whether its own numbers fit it. Limits keep a small file from asking much."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import singledispatch

import numpy as np

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.primitives import (
    Affine,
    Conv1d,
    Conv2d,
    Flatten,
    Identity,
    Input,
    Linear,
    Output,
    Pair,
    Pool,
    Primitive,
    Shape,
    numbers,
)

__all__ = ["MAX_ELEMENTS", "MAX_VALUES", "check_shape", "output_shape", "padding_pairs", "window"]

MAX_ELEMENTS = 2**26
"""Numbers in one tensor, parameters and values alike: 256 MiB of float32."""
MAX_VALUES = 2**27
"""Numbers that all nodes give in a time step and delays hold, together; and that a call takes or gives."""


def check_shape(shape: Iterable[int], what: str) -> Shape:
    """A shape as a tuple of Python integers.

    Raises:
        SpikeGraphError: an axis is below one, or there are more than ``MAX_ELEMENTS`` numbers.
    """
    sizes = tuple(int(size) for size in shape)
    if len(sizes) > 8 or any(size < 1 for size in sizes):
        raise SpikeGraphError(f"{what} has the shape {_said(sizes)}; expected up to 8 axes of one or more each")
    if math.prod(sizes) > MAX_ELEMENTS:
        raise SpikeGraphError(
            f"{what} has the shape {_said(sizes)}, {math.prod(sizes):,} numbers; at most {MAX_ELEMENTS:,} are taken"
        )
    return sizes


@singledispatch
def output_shape(node: Primitive, shape: Shape, name: str) -> Shape:
    """What the node gives for an input of ``shape``. Without a rule of its own it works element by element.

    Raises:
        SpikeGraphError: the node cannot take that shape.
    """
    for part, values in numbers(node):
        try:
            fits = np.broadcast_shapes(values.shape, shape) == shape
        except ValueError:
            fits = False
        if not fits:
            raise SpikeGraphError(
                f"{part} of the node {name!r} has the shape {_said(values.shape)}, and its input {_said(shape)}; "
                "expected the same, or one that broadcasts to it"
            )
    return shape


@output_shape.register
def _input(node: Input, shape: Shape, name: str) -> Shape:
    if shape != node.shape:
        raise SpikeGraphError(f"the input {name!r} is declared {_said(node.shape)} and is given {_said(shape)}")
    return shape


@output_shape.register(Output)
@output_shape.register(Identity)
def _declared(node: Output | Identity, shape: Shape, name: str) -> Shape:
    if shape != node.shape:
        kind = type(node).__name__.lower()
        raise SpikeGraphError(f"the {kind} {name!r} is declared {_said(node.shape)} and gets {_said(shape)}")
    return shape


@output_shape.register(Linear)
@output_shape.register(Affine)
def _linear(node: Linear | Affine, shape: Shape, name: str) -> Shape:
    weight = node.weight.shape
    if len(weight) < 2 or shape != (*weight[:-2], weight[-1]):
        raise SpikeGraphError(
            f"the node {name!r} has weights of {_said(weight)} (outputs, inputs) and gets {_said(shape)}"
        )
    if isinstance(node, Affine) and node.bias.shape != weight[:-1]:
        raise SpikeGraphError(
            f"the node {name!r} has a bias of {_said(node.bias.shape)}; expected {_said(weight[:-1])}"
        )
    return weight[:-1]


@output_shape.register(Conv1d)
@output_shape.register(Conv2d)
def _convolution(node: Conv1d | Conv2d, shape: Shape, name: str) -> Shape:
    axes = 1 if isinstance(node, Conv1d) else 2
    weight, groups = node.weight.shape, node.groups
    if len(shape) != axes + 1 or len(weight) != axes + 2 or min(weight) < 1:
        raise SpikeGraphError(
            f"the convolution {name!r} has weights of {_said(weight)} and gets {_said(shape)}; expected "
            f"(outputs, channels / groups, {axes} of kernel) and (channels, {axes} of image)"
        )
    if groups < 1 or weight[1] * groups != shape[0] or weight[0] % groups or node.bias.shape != weight[:1]:
        raise SpikeGraphError(
            f"the convolution {name!r} has weights of {_said(weight)} in {groups} groups and a bias of "
            f"{_said(node.bias.shape)}, and gets {shape[0]} channels"
        )
    image = shape[1:]
    if node.input_shape is not None and _axes(node.input_shape, axes) != image:
        raise SpikeGraphError(
            f"the convolution {name!r} is declared for {_said(_axes(node.input_shape, axes))} and gets {_said(image)}"
        )
    sizes = window(image, weight[2:], node.stride, padding_pairs(node, name), node.dilation, name)
    return (weight[0], *sizes)


@output_shape.register
def _pool(node: Pool, shape: Shape, name: str) -> Shape:
    if len(shape) != 3:
        raise SpikeGraphError(f"the pooling {name!r} gets {_said(shape)}; expected (channels, rows, columns)")
    pads = tuple((pad, pad) for pad in node.padding)
    if any(2 * pad > taps for pad, taps in zip(node.padding, node.kernel_size, strict=True)):
        raise SpikeGraphError(f"the pooling {name!r} pads more than half of its window of {_said(node.kernel_size)}")
    return (shape[0], *window(shape[1:], node.kernel_size, node.stride, pads, (1, 1), name))


@output_shape.register
def _flatten(node: Flatten, shape: Shape, name: str) -> Shape:
    if node.input_type is not None and node.input_type != shape:
        raise SpikeGraphError(f"the node {name!r} is declared for {_said(node.input_type)} and gets {_said(shape)}")
    first, last = (end + len(shape) if end < 0 else end for end in (node.start_dim, node.end_dim))
    if not 0 <= first <= last < len(shape):
        raise SpikeGraphError(
            f"the node {name!r} joins the axes {node.start_dim} to {node.end_dim} and gets {_said(shape)}"
        )
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])


def padding_pairs(node: Conv1d | Conv2d, name: str) -> tuple[Pair, ...]:
    """(before, after) of each axis of the image. ``same`` puts the odd one after, as PyTorch does.

    Raises:
        SpikeGraphError: ``same`` with a stride, for which nobody defines it.
    """
    taps = node.weight.shape[2:]
    if node.padding == "valid":
        return tuple((0, 0) for _ in taps)
    if node.padding == "same":
        if any(step != 1 for step in _axes(node.stride, len(taps))):
            raise SpikeGraphError(
                f"the convolution {name!r} pads to the same size with a stride; expected a stride of 1"
            )
        whole = [spread * (tap - 1) for tap, spread in zip(taps, _axes(node.dilation, len(taps)), strict=True)]
        return tuple((total // 2, total - total // 2) for total in whole)
    return tuple((pad, pad) for pad in _axes(node.padding, len(taps)))


def window(
    image: Shape,
    taps: Shape,
    stride: int | Shape,
    padding: tuple[Pair, ...],
    dilation: int | Shape,
    name: str,
) -> Shape:
    """How many places a window has along each axis.

    Raises:
        SpikeGraphError: a size is out of range, or the window is larger than the padded image.
    """
    steps, spreads = _axes(stride, len(taps)), _axes(dilation, len(taps))
    ends = [end for pair in padding for end in pair]
    if min(*taps, *steps, *spreads) < 1 or min(ends) < 0 or max(*taps, *steps, *spreads, *ends) > MAX_ELEMENTS:
        raise SpikeGraphError(
            f"the node {name!r} has a window of {_said(taps)}, stride {_said(steps)}, dilation {_said(spreads)} and "
            f"padding {ends}; expected one or more each, and no padding below zero"
        )
    spans = [spread * (tap - 1) + 1 for tap, spread in zip(taps, spreads, strict=True)]
    room = [size + sum(pair) for size, pair in zip(image, padding, strict=True)]
    if any(span > size for span, size in zip(spans, room, strict=True)):
        raise SpikeGraphError(
            f"the node {name!r} has a window that spans {_said(spans)} and an image of {_said(room)} with its padding"
        )
    return tuple((size - span) // step + 1 for size, span, step in zip(room, spans, steps, strict=True))


def _axes(value: int | str | Shape, count: int) -> Shape:
    if isinstance(value, str):
        raise SpikeGraphError(f"a size is {value!r}; expected numbers")
    return (value,) * count if isinstance(value, int) else tuple(value)


def _said(shape: Iterable[int]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"
