"""The nodes a network is made of: NIR's primitives by NIR's names, and neurons in a library's own form.

Shapes have neither batch nor time axis. Nodes hold numbers as they came, float64 included; what computes, rounds to
float32. What a node does to a shape is in ``shapes``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "IF",
    "LI",
    "LIF",
    "NIR_PRIMITIVES",
    "Affine",
    "Array",
    "AvgPool2d",
    "Conv1d",
    "Conv2d",
    "CubaLI",
    "CubaLIF",
    "Delay",
    "Flatten",
    "I",
    "Identity",
    "Input",
    "Linear",
    "MaxPool2d",
    "Neuron",
    "Output",
    "Padding",
    "Pair",
    "Pool",
    "Primitive",
    "Scale",
    "Shape",
    "SumPool2d",
    "Threshold",
    "numbers",
]

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]
Padding: TypeAlias = Pair | Literal["same", "valid"]


@dataclass(frozen=True, eq=False)
class Primitive:
    """A node. Equal to another of its kind with the same numbers, dtypes and shapes."""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(getattr(self, field.name), getattr(other, field.name)) for field in fields(self))

    def __hash__(self) -> int:
        return hash(type(self))


@dataclass(frozen=True, eq=False)
class Input(Primitive):
    """Where values come in, ``shape`` each time step."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class Output(Primitive):
    """Where values go out, ``shape`` each time step."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class Identity(Primitive):
    """Passes on what it gets: the border of a sub-graph that was flattened."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class Linear(Primitive):
    """``y = W x``. ``weight``: [..., outputs, inputs]; leading axes are those of the input."""

    weight: Array


@dataclass(frozen=True, eq=False)
class Affine(Primitive):
    """``y = W x + b``. ``weight`` as of Linear, ``bias``: [..., outputs]."""

    weight: Array
    bias: Array


@dataclass(frozen=True, eq=False)
class Scale(Primitive):
    """``y = x · scale``, element by element."""

    scale: Array


@dataclass(frozen=True, eq=False)
class Conv1d(Primitive):
    """[channels, length] → [outputs, length']. ``weight``: [outputs, channels / groups, taps], ``bias``: [outputs].

    ``input_shape`` is the length, where it is known.
    """

    weight: Array
    bias: Array
    stride: int = 1
    padding: int | Literal["same", "valid"] = 0
    dilation: int = 1
    groups: int = 1
    input_shape: int | None = None


@dataclass(frozen=True, eq=False)
class Conv2d(Primitive):
    """[channels, rows, columns] → [outputs, rows', columns']. ``weight``: [outputs, channels / groups, rows, columns].

    ``bias``: [outputs]. ``input_shape`` is (rows, columns), where they are known.
    """

    weight: Array
    bias: Array
    stride: Pair = (1, 1)
    padding: Padding = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    input_shape: Pair | None = None


@dataclass(frozen=True, eq=False)
class Pool(Primitive):
    """[channels, rows, columns] → [channels, rows', columns'], over a window."""

    kernel_size: Pair
    stride: Pair
    padding: Pair = (0, 0)


class SumPool2d(Pool):
    """The sum over the window; places outside the image add nothing."""


class AvgPool2d(Pool):
    """The sum over the window times 1 / (rows · columns) of it, places outside the image counted."""


class MaxPool2d(Pool):
    """The maximum over the window; places outside the image are never it. NIR has none."""


@dataclass(frozen=True, eq=False)
class Flatten(Primitive):
    """Axes ``start_dim`` to ``end_dim``, both included, become one; negative ones count from the last."""

    start_dim: int = 0
    end_dim: int = -1
    input_type: Shape | None = None


@dataclass(frozen=True, eq=False)
class Delay(Primitive):
    """``y(t) = x(t - delay)``, in seconds; nothing before the first step."""

    delay: Array


@dataclass(frozen=True, eq=False)
class Threshold(Primitive):
    """1 where the input is above ``threshold``, else 0."""

    threshold: Array


@dataclass(frozen=True, eq=False)
class I(Primitive):  # noqa: E742
    """``dv/dt = r x``."""

    r: Array


@dataclass(frozen=True, eq=False)
class IF(Primitive):
    """``dv/dt = r x``, fires and is reset."""

    r: Array
    v_threshold: Array
    v_reset: Array


@dataclass(frozen=True, eq=False)
class LI(Primitive):
    """``tau dv/dt = (v_leak - v) + r x``; ``tau`` in seconds."""

    tau: Array
    r: Array
    v_leak: Array


@dataclass(frozen=True, eq=False)
class LIF(Primitive):
    """The equation of LI, fires and is reset."""

    tau: Array
    r: Array
    v_leak: Array
    v_threshold: Array
    v_reset: Array


@dataclass(frozen=True, eq=False)
class CubaLI(Primitive):
    """``tau_syn di/dt = -i + w_in x``, ``tau_mem dv/dt = (v_leak - v) + r i``; time constants in seconds."""

    tau_syn: Array
    tau_mem: Array
    r: Array
    v_leak: Array
    w_in: Array


@dataclass(frozen=True, eq=False)
class CubaLIF(Primitive):
    """The equations of CubaLI, fires and is reset."""

    tau_syn: Array
    tau_mem: Array
    r: Array
    v_leak: Array
    v_threshold: Array
    v_reset: Array
    w_in: Array


@dataclass(frozen=True, eq=False)
class Neuron(Primitive):
    """A neuron in a library's own discrete form: a name in ``neurons.models.MODELS`` and that model's parameters.

    What NIR leaves open stands in the parameters, so the network's semantics do not apply to it.
    """

    model: str
    params: Any


NIR_PRIMITIVES: dict[str, type[Primitive]] = {
    primitive.__name__: primitive
    for primitive in (
        *(Affine, AvgPool2d, Conv1d, Conv2d, CubaLI, CubaLIF, Delay, Flatten, I, IF, Input, LI, LIF, Linear, Output),
        *(Scale, SumPool2d, Threshold),
    )
}
"""What NIR 1.0 has, beside the graph itself, by the name in its files."""


def numbers(value: object) -> Iterator[tuple[str, Array]]:
    """Every array or float in a node or in parameters, with the name of its field."""
    named: Any = value
    if isinstance(value, Primitive):
        names = [field.name for field in fields(value)]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        names = list(named._fields)
    else:
        return
    for name in names:
        part = getattr(named, name)
        if isinstance(part, np.ndarray | float | np.floating):
            yield name, np.asarray(part)
        else:
            yield from numbers(part)


def _same(value: object, other: object) -> bool:
    if isinstance(value, np.ndarray) or isinstance(other, np.ndarray):
        a, b = np.asarray(value), np.asarray(other)
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
    if isinstance(value, tuple) and isinstance(other, tuple):
        return len(value) == len(other) and all(map(_same, value, other))
    return value == other
