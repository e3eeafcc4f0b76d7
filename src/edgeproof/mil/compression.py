"""Compressed weights held against the weights they were made of: an error of storage hides in an error of quantisation.

A scale that is off by two per cent changes outputs no more than 8-bit weights do; but quantisation errs to both sides,
and a wrong scale or zero point to one, so it shows in the weights themselves. What is not compressed is what it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeproof.mil.model import Model
from edgeproof.mil.pairing import Constant, pair, places
from edgeproof.mil.plan import BlockPlan, Step
from edgeproof.mil.program.program import ValueName
from edgeproof.mil.values import Array

__all__ = ["WeightComparison", "WeightDifference", "compare_weights"]

HALF = "_cast_fp16"
"""What the converter appends to an operation's name in a program of half precision."""
COMPRESSED = ("constexpr_", "dequantize")
"""What the kinds of operations begin with that decompress a constant."""
FEWEST = 16
"""Elements of a compressed tensor that is looked at; in fewer of them chance decides."""
GAIN = 0.003
"""How far a gain may lie from 1 before chance is counted."""
CHANCE = 3.5
CHANCE_OF_MANY = 4.5
"""Standard errors of a gain that chance explains: of a tensor; of one channel of many."""
UNLIKE = 0.7
"""A relative error from which weights are others, not coarser ones."""
SHIFT = 0.75
"""Of a quantisation step: how far weights lie off to one side, at least, where a zero point is wrong. Rounding gives a
half at most, to both sides."""


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


@dataclass(frozen=True)
class WeightComparison:
    """Weights of a model, held against those before their compression.

    Attributes:
        differences: every constant that the two models hold differently.
        constants: how many are to be looked at: of several elements, and of enough where they are compressed.
        unheld: which of these were held against nothing: the base has none of their shape at their place.
    """

    differences: tuple[WeightDifference, ...]
    constants: int
    unheld: tuple[str, ...]


def compare_weights(base: Model, compressed: Model, function: str | None = None) -> WeightComparison:
    """Every constant of two models, paired by what reads it (``pairing``).

    Args:
        base: before the compression.
        compressed: the same program after it.

    Raises:
        ArtifactError: one of them cannot be run.
    """
    before, after = (list(_constants(model, function)) for model in (base, compressed))
    looked_at = {
        constant for constant in after if constant.value.size >= (FEWEST if constant.kind.startswith(COMPRESSED) else 2)
    }
    found: list[WeightDifference] = []
    unheld: list[str] = []
    for constant, was in pair(before, after):
        if was is None:
            unheld += [constant.where] * (constant in looked_at)
        elif np.array_equal(was.value, constant.value, equal_nan=True):
            continue
        elif not constant.kind.startswith(COMPRESSED):
            found.append(_kept(constant.where, was.value, constant.value))
        elif constant in looked_at:
            linear = "lut" not in constant.kind and "sparse" not in constant.kind
            found.append(_difference(constant.where, was.value, constant.value, linear=linear))
    return WeightComparison(tuple(found), len(looked_at), tuple(unheld))


def _constants(model: Model, function: str | None) -> Iterator[Constant]:
    """Floating-point constants that operations read."""
    plan, chosen = model.prepare(function), model.program.functions[function or model.description.default]
    made_by = {output.name: operation.kind for operation in chosen.block.walk() for output in operation.outputs}
    of = places(chosen)
    for step in _steps(plan.block):
        for parameter, slot in zip(step.op.parameters, step.reads.slots, strict=True):
            held, arguments = plan.frame[slot], step.operation.inputs.get(parameter.name, ())
            value = np.asarray(held) if isinstance(held, float | np.ndarray) else np.zeros(0)
            if value.dtype.kind == "f" and value.size and len(arguments) == 1:
                (given,) = arguments
                kind = made_by.get(given.name, "") if isinstance(given, ValueName) else ""
                name = step.operation.name.removesuffix(HALF)
                reader = next((of.get(output.name, 0) for output in step.operation.outputs), 0)
                where = f"{step.operation.kind} {name}, {parameter.name}"
                yield Constant(where, (reader, parameter.name), value, kind)


def _steps(block: BlockPlan) -> Iterator[Step]:
    for step in block.steps:
        yield step
        for _, body in step.bodies:
            yield from _steps(body)


def _kept(where: str, before: Array, after: Array) -> WeightDifference:
    """A constant that is stored as it was, or rounded once to half precision, which what is too small for it may become
    the smallest number of: an epsilon of 1e-12 is raised to it rather than lost."""
    w, v = before.astype(np.float64), after.astype(np.float64)
    half = before.astype(np.float16).astype(np.float64)
    size, error = float(np.linalg.norm(w)), np.abs(v - w)
    least = float(np.finfo(np.float16).smallest_subnormal)
    rounded = (np.abs(w) < least) & (np.abs(v) <= least) & (w * v >= 0)
    rounded |= (v == half) | (w == after.astype(np.float16)) | (error <= np.finfo(np.float16).eps / 2 * np.abs(w))
    relative = float(np.linalg.norm(v - w)) / size if size else float(error.any())
    fault = None
    if not rounded.all():
        worst = int(np.argmax(np.where(rounded, -1.0, error)))
        fault = f"{where}: it is not compressed, and {w.flat[worst]:.6g} became {v.flat[worst]:.6g}"
    return WeightDifference(where, relative, 1.0, fault)


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
    elif linear and (shifted := _shifted(where, w, v)) is not None:
        fault = shifted
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


def _shifted(where: str, w: Array, v: Array) -> str | None:
    """Weights that all lie off to one side, by a quantisation step or more: their zero point is wrong. That of all of
    them, or of one output."""
    parts = [("all", w, v), *((f"output {index}", *pair) for index, pair in enumerate(zip(w, v, strict=True)))]
    for which, before, after in parts:
        levels, error = np.unique(after), (after - before).ravel()
        if levels.size < 3 or error.size < FEWEST:
            continue
        step, shift = float(np.diff(levels).min()), float(error.mean())
        if abs(shift) > SHIFT * step and abs(shift) > 2 * float(error.std()):
            return f"{where}: the weights of {which} are {shift:.3g} too large, {shift / step:.2g} of their steps"
    return None


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
