"""Compressed weights held against the weights they were made of: an error of storage hides in an error of quantisation.

A scale that is off by two per cent changes outputs no more than 8-bit weights do; but quantisation errs to both sides,
and a wrong scale to one, so it shows in the weights themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgeproof.mil.model import Model
from edgeproof.mil.plan import BlockPlan, Plan, Step
from edgeproof.mil.program.program import ValueName
from edgeproof.mil.values import Array

__all__ = ["WeightDifference", "compare_weights"]

HALF = "_cast_fp16"
"""What the converter appends to an operation's name in a program of half precision."""
FEWEST = 16
"""Elements of a tensor that is looked at; in fewer of them chance decides."""
GAIN = 0.003
"""How far a gain may lie from 1 before chance is counted."""
CHANCE = 3.5
CHANCE_OF_MANY = 4.5
"""Standard errors of a gain that chance explains: of a tensor; of one channel of many."""
UNLIKE = 0.7
"""A relative error from which weights are others, not coarser ones."""


@dataclass(frozen=True)
class WeightDifference:
    """One weight, compressed and as it was.

    Attributes:
        where: the operation that reads it, and as what.
        relative_l2: norm of the difference over the norm of the weight.
        gain: what the weights were multiplied by, as far as both least squares estimates see it; 1 when they agree.
        fault: what is wrong; None where the error is one of rounding.
    """

    where: str
    relative_l2: float
    gain: float
    fault: str | None


def compare_weights(base: Model, compressed: Model, function: str | None = None) -> list[WeightDifference]:
    """Every weight that the two models hold differently, operation by operation.

    Args:
        base: before the compression.
        compressed: the same program after it.

    Raises:
        ArtifactError: one of them cannot be run.
    """
    before = {where: weight for where, weight, _ in _weights(base.prepare(function), {})}
    made_by = {
        output.name: operation.kind
        for operation in compressed.program.functions[function or compressed.description.default].block.walk()
        for output in operation.outputs
    }
    return [
        _difference(where, before[where], weight, linear="lut" not in kind and "sparse" not in kind)
        for where, weight, kind in _weights(compressed.prepare(function), made_by)
        if where in before and before[where].shape == weight.shape and not np.array_equal(before[where], weight)
    ]


def _weights(plan: Plan, made_by: Mapping[str, str]) -> Iterator[tuple[str, Array, str]]:
    """Constants of some size that operations read: the operation and parameter, the value, what kind made it."""
    for step in _steps(plan.block):
        for parameter, slot in zip(step.op.parameters, step.reads.slots, strict=True):
            value = plan.frame[slot]
            if isinstance(value, np.ndarray) and value.size >= FEWEST and value.dtype.kind == "f":
                (given,) = step.operation.inputs[parameter.name]
                kind = made_by.get(given.name, "") if isinstance(given, ValueName) else ""
                name = step.operation.name.removesuffix(HALF)
                yield f"{step.operation.kind} {name}, {parameter.name}", value, kind


def _steps(block: BlockPlan) -> Iterator[Step]:
    for step in block.steps:
        yield step
        for _, body in step.bodies:
            yield from _steps(body)


def _difference(where: str, before: Array, after: Array, *, linear: bool) -> WeightDifference:
    w, v = before.astype(np.float64), after.astype(np.float64)
    size, error = float(np.linalg.norm(w)), float(np.linalg.norm(v - w))
    relative = error / size if size else float(error > 0)
    each = error / w.size**0.5
    gain = _gain(w.ravel(), v.ravel(), linear=linear)
    fault = None
    if not np.isfinite(relative) or relative > UNLIKE:
        fault = f"{where}: these are other weights: they lie {relative:.2g} (relative L2) from those before compression"
    elif abs(gain - 1) > GAIN + CHANCE * each / size:
        fault = f"{where}: the weights are {abs(gain - 1) * 100:.2g} % too {'large' if gain > 1 else 'small'}"
    elif w.ndim > 1:
        channels = [_gain(channel.ravel(), other.ravel(), linear=linear) for channel, other in zip(w, v, strict=True)]
        off = [
            index
            for index, factor in enumerate(channels)
            if abs(factor - 1) > GAIN + CHANCE_OF_MANY * each / max(float(np.linalg.norm(w[index])), 1e-30)
            and (linear or v[index].any())
        ]
        if off:
            worst = max(off, key=lambda index: abs(channels[index] - 1))
            fault = f"{where}: output {worst} is multiplied by {channels[worst]:.4g}"
    return WeightDifference(where, relative, gain, fault)


def _gain(w: Array, v: Array, *, linear: bool) -> float:
    """What ``w`` was multiplied by to become ``v``, by least squares.

    A linear quantisation errs independently of ``w``, so ``<w, v> / <w, w>``. Where values became the means of what
    they stand for (a palette), or were dropped (a sparse weight), that estimate is below 1 and ``<v, v> / <w, v>`` is
    not: the one nearer to 1 counts.
    """
    common = float(w @ v)
    if common <= 0:
        return 0.0 if float(w @ w) > 0 else 1.0
    forward, backward = common / float(w @ w), float(v @ v) / common
    return forward if linear or abs(forward - 1) < abs(backward - 1) else backward
