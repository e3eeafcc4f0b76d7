"""Compressed weights held against the weights they were made of: an error of storage hides in an error of quantisation.

A scale that is off by two per cent changes outputs no more than 8-bit weights do; but quantisation errs to both sides,
and a wrong scale to one, so it shows in the weights themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeproof.mil.model import Model
from edgeproof.mil.plan import BlockPlan
from edgeproof.mil.values import Array

__all__ = ["WeightDifference", "compare_weights"]

FEWEST = 16
"""Elements of a tensor that is looked at; in fewer of them chance decides."""
GAIN = 0.008
"""How far a gain may lie from 1. Per output channel as many times more as chance needs."""
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
    before = dict(_weights(base.prepare(function).block))
    return [
        _difference(where, before[where], weight)
        for where, weight in _weights(compressed.prepare(function).block)
        if where in before and before[where].shape == weight.shape and not np.array_equal(before[where], weight)
    ]


def _weights(block: BlockPlan) -> Iterator[tuple[str, Array]]:
    """Constants of some size that operations read, under the operation's name and the parameter's."""
    for step in block.steps:
        for parameter, value in zip(step.op.parameters, step.arguments, strict=True):
            if isinstance(value, np.ndarray) and value.size >= FEWEST and value.dtype.kind == "f":
                yield f"{step.operation.kind} {step.operation.name}, {parameter.name}", value
        for _, body in step.bodies:
            yield from _weights(body)


def _difference(where: str, before: Array, after: Array) -> WeightDifference:
    w, v = before.astype(np.float64), after.astype(np.float64)
    error = v - w
    size = float(np.linalg.norm(w))
    relative = float(np.linalg.norm(error)) / size if size else float(np.linalg.norm(error) > 0)
    gain = _gain(w.ravel(), v.ravel())
    fault = None
    if not np.isfinite(relative) or relative > UNLIKE:
        fault = f"{where}: these are other weights: they lie {relative:.2g} (relative L2) from those before compression"
    elif abs(gain - 1) > GAIN + 4 * relative / w.size**0.5:
        fault = f"{where}: the weights are {abs(gain - 1) * 100:.2g} % too {'large' if gain > 1 else 'small'}"
    elif w.ndim > 1:
        channels = [_gain(one.ravel(), other.ravel()) for one, other in zip(w, v, strict=True)]
        bound = GAIN + 6 * relative / (w.size / len(w)) ** 0.5
        pruned = np.count_nonzero(v) < v.size * (1 - 2 / len(v))
        off = [
            index for index, one in enumerate(channels) if abs(one - 1) > bound and not (pruned and not v[index].any())
        ]
        if off:
            worst = max(off, key=lambda index: abs(channels[index] - 1))
            fault = f"{where}: output {worst} is multiplied by {channels[worst]:.4g}"
    return WeightDifference(where, relative, gain, fault)


def _gain(w: Array, v: Array) -> float:
    """The factor from ``w`` to ``v`` that lies nearer to 1 of two estimates.

    ``<w, v> / <w, w>`` is 1 where the error is independent of ``w`` (a linear quantisation), ``<v, v> / <w, v>`` where
    values became means of what they stand for (a palette) or were dropped (a sparse weight).
    """
    common = float(w @ v)
    if common <= 0:
        return 0.0 if float(w @ w) > 0 else 1.0
    forward, backward = common / float(w @ w), float(v @ v) / common
    return forward if abs(forward - 1) < abs(backward - 1) else backward
