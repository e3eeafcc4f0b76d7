"""PyTorch's own layers, and what libraries derive from them, as nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeproof.spike.from_modules.piece import Fold, Piece, Place, Reader, dense, refuse
from edgeproof.spike.graph.primitives import AvgPool2d, Conv1d, Conv2d, Flatten, MaxPool2d, Pair

__all__ = ["READERS"]


def _linear(place: Place) -> Piece:
    if len(place.given) != 1:
        refuse(place, f"takes {place.given}; expected one vector", "flatten before it")
    return Piece.of(dense(place.module.weight, place.module.bias))


def _convolution(place: Place) -> Piece:
    module = place.module
    if module.padding_mode != "zeros":
        refuse(place, f"pads with {module.padding_mode!r}; expected zeros")
    weight = module.weight.detach().cpu().numpy().astype(np.float32)
    bias = np.zeros(len(weight), np.float32)
    if module.bias is not None:
        bias = module.bias.detach().cpu().numpy().astype(np.float32)
    padding = module.padding
    if weight.ndim == 3:
        pad: Any = padding if isinstance(padding, str) else int(padding[0])
        stride, dilation = int(module.stride[0]), int(module.dilation[0])
        return Piece.of(Conv1d(weight, bias, stride, pad, dilation, module.groups, place.given[-1]))
    pads: Any = padding if isinstance(padding, str) else _pair(padding)
    image = place.given[-2], place.given[-1]
    steps, spreads = _pair(module.stride), _pair(module.dilation)
    return Piece.of(Conv2d(weight, bias, steps, pads, spreads, module.groups, image))


def _average(place: Place) -> Piece:
    module = place.module
    padding = _pair(module.padding)
    odd = module.ceil_mode or module.divisor_override or not (module.count_include_pad or padding == (0, 0))
    if odd:
        refuse(place, "averages with ceil_mode, a divisor of its own, or without the padding in its count")
    return Piece.of(AvgPool2d(_pair(module.kernel_size), _pair(module.stride or module.kernel_size), padding))


def _maximum(place: Place) -> Piece:
    module = place.module
    if module.ceil_mode or _pair(module.dilation) != (1, 1) or module.return_indices:
        refuse(place, "takes a maximum with dilation, ceil_mode or indices")
    size = _pair(module.kernel_size)
    return Piece.of(MaxPool2d(size, _pair(module.stride or module.kernel_size), _pair(module.padding)))


def _flatten(place: Place) -> Piece | None:
    first, last = (end + len(place.given) + 1 if end < 0 else end for end in _ends(place.module))
    if first < 1:
        refuse(place, "flattens the batch axis too", "flatten from axis 1 on")
    return None if first == last else Piece.of(Flatten(first - 1, last - 1, place.given))


def _ends(module: Any) -> tuple[int, int]:
    return int(module.start_dim), int(module.end_dim)


def _normalised(place: Place) -> Fold:
    """In evaluation a batch norm is a factor and an offset per channel, worked out in float64."""
    module = place.module
    if module.training or module.running_mean is None:
        refuse(place, "normalises by the batch it gets", "call .eval(), and keep running statistics")
    mean, variance = (
        statistic.detach().cpu().double().numpy() for statistic in (module.running_mean, module.running_var)
    )
    factor = 1.0 / np.sqrt(variance + module.eps)
    if module.weight is not None:
        factor = factor * module.weight.detach().cpu().double().numpy()
    offset = -mean * factor
    if module.bias is not None:
        offset = offset + module.bias.detach().cpu().double().numpy()
    return Fold(factor, offset)


def _passes(place: Place) -> None:
    if place.module.training and getattr(place.module, "p", 0):
        refuse(place, "drops values at random", "call .eval()")


def _pair(value: Any) -> Pair:
    return (int(value[0]), int(value[-1])) if isinstance(value, tuple | list) else (int(value), int(value))


READERS: Mapping[str, Reader] = {
    "Linear": _linear,
    "Conv1d": _convolution,
    "Conv2d": _convolution,
    "AvgPool2d": _average,
    "MaxPool2d": _maximum,
    "Flatten": _flatten,
    "BatchNorm1d": _normalised,
    "BatchNorm2d": _normalised,
    "Identity": _passes,
    "Dropout": _passes,
    "Dropout1d": _passes,
    "Dropout2d": _passes,
}
"""By the name of the class, in ``torch.nn`` or in a library's layers of the same name."""
