"""Whether a model's own outputs can tell anything: agreement with a network that never fires, or whose score is that of
guessing, is no evidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.documents.samples import Check
from edgeproof.documents.signature import Signature, TensorSpec
from edgeproof.metrics.registry import ACCURACY

__all__ = ["what_says_nothing"]

Array = npt.NDArray[Any]
CHANCE = 0.01
"""A score that guessing reaches more often than this is at chance."""


def what_says_nothing(signature: Signature, outputs: Mapping[str, Array], classes: Array | None) -> tuple[Check, ...]:
    """Warnings of what the eager outputs cannot tell.

    Args:
        signature: the model's.
        outputs: eager outputs, ``[samples, *shape]``.
        classes: ``int[samples]``, where the task is to tell them, or None.
    """
    found = [_constant(spec, outputs[spec.name]) for spec in signature.outputs if spec.name in outputs]
    name = signature.score_output
    if classes is not None and name is not None and name in outputs:
        found.append(_guessed(name, outputs[name], classes))
    return tuple(check for check in found if check is not None)


def _constant(spec: TensorSpec, values: Array) -> Check | None:
    if len(values) < 2 or not bool((values == values[:1]).all()):
        return None
    if spec.kind == "spikes" and not values.any():
        return Check(name="silent", status="warning", detail=f"no neuron of the output {spec.name} fires on any sample")
    if spec.kind == "spikes" and bool((values == values.flat[0]).all()):
        detail = f"every neuron of the output {spec.name} fires alike on every sample"
        return Check(name="always-on", status="warning", detail=detail)
    return Check(name="constant-output", status="warning", detail=f"the output {spec.name} is the same on every sample")


def _guessed(name: str, values: Array, classes: Array) -> Check | None:
    """By the exact binomial test against always saying the most frequent class."""
    try:
        hits = ACCURACY.hits(np.squeeze(values, axis=values.ndim - 2), classes)
    except ValueError:
        return None
    if hits is None:
        return None
    right, count = int(hits.sum()), len(classes)
    _, frequencies = np.unique(classes, return_counts=True)
    share = max(float(frequencies.max()) / count, 1.0 / values.shape[-1])
    if _at_least(right, count, share) <= CHANCE:
        return None
    return Check(
        name="chance",
        status="warning",
        detail=f"the model's own score on {name}, {100 * right / count:.1f} % of {count}, is no better than guessing "
        f"({100 * share:.1f} %)",
    )


def _at_least(right: int, count: int, share: float) -> float:
    """The probability of so many right, or more, of ``count`` guesses (upper tail of the binomial distribution)."""
    if share >= 1:
        return 1.0
    whole = math.lgamma(count + 1)
    return math.fsum(
        math.exp(
            whole
            - math.lgamma(hits + 1)
            - math.lgamma(count - hits + 1)
            + hits * math.log(share)
            + (count - hits) * math.log1p(-share)
        )
        for hits in range(right, count + 1)
    )
