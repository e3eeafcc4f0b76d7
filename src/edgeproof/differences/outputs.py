"""Differences between a candidate's outputs and the eager reference, with exact names and their formulas.

For samples i, d_i = candidate_i - reference_i as flat float64 vectors:

- ``max_abs``      max over all elements of |d|
- ``l2_mean``, ``l2_max``   mean and max over i of ||d_i||₂
- ``relative_l2``  ||d||₂ / ||reference||₂ over all samples together
- ``cosine_min``   min over i of cos(candidate_i, reference_i); 1 where both are zero
- ``snr_db``       10 log10(Σ reference² / Σ d²)
- ``argmax_agreement``      share of equal argmaxes over the classes: the last axis, or the one behind the batch in an
  output ``[batch, classes, *space]`` of two or more axes of space
- ``threshold_agreement``   share of elements on the same side of a threshold
- ``saturation``            share of elements at the candidate's extremes where the reference lies beyond them

NaN or Inf on the candidate's side where the reference is finite is a failure, never a large number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeproof.documents.signature import OutputKind, TensorSpec
from edgeproof.documents.validation import Differences, SpikeDifference

__all__ = ["NotFinite", "compare_output", "compare_outputs", "worst_of"]

Array = npt.NDArray[Any]

WORSE: dict[str, Callable[..., float | None]] = {
    "max_abs": max,
    "l2_mean": max,
    "l2_max": max,
    "relative_l2": max,
    "cosine_min": min,
    "snr_db": min,
    "argmax_agreement": min,
    "smallest_passing_tolerance": max,
    "threshold_agreement": min,
    "saturation": max,
}
"""Which of two figures is the worse one."""


THRESHOLD = 0.5
BEYOND = 1e-3
"""How far beyond the candidate's largest or smallest value, in its range, the eager model's is cut off."""


class NotFinite(Exception):
    """The candidate gave NaN or Inf where the reference is finite."""


def compare_output(
    name: str, kind: OutputKind, reference: Array, candidate: Array, *, threshold: float = THRESHOLD
) -> Differences:
    """Differences of one output over all samples.

    Args:
        reference: ``[samples, *shape]``.
        candidate: the same shape.
        threshold: what ``threshold_agreement`` is about.

    Raises:
        NotFinite: NaN or Inf in the candidate only.
        ValueError: the shapes differ.
    """
    if reference.shape != candidate.shape:
        raise ValueError(
            f"{name}: the candidate gave {list(candidate.shape[1:])}, the model {list(reference.shape[1:])}"
        )
    count = len(reference)
    expected = reference.reshape(count, -1).astype(np.float64)
    given = candidate.reshape(count, -1).astype(np.float64)
    finite = np.isfinite(expected)
    broken = finite & ~np.isfinite(given)
    if broken.any():
        first = int(np.flatnonzero(broken.any(axis=1))[0])
        raise NotFinite(f"{name}: {int(broken.sum())} values are NaN or Inf, first in sample {first}")
    same_special = ~finite & ((expected == given) | (np.isnan(expected) & np.isnan(given)))
    if (~finite & ~same_special).any():
        raise NotFinite(f"{name}: the model gives NaN or Inf and the candidate another value")
    expected = np.where(finite, expected, 0.0)
    given = np.where(finite, given, 0.0)
    difference = given - expected
    norms = np.sqrt((difference**2).sum(axis=1))
    total, scale = float((difference**2).sum()), float((expected**2).sum())
    relative = math.sqrt(total / scale) if scale > 0 else (0.0 if total == 0 else math.sqrt(total))
    spikes = _spikes(difference) if kind == "spikes" else None
    return Differences(
        name=name,
        kind=kind,
        max_abs=float(np.abs(difference).max(initial=0.0)),
        l2_mean=float(norms.mean()) if count else 0.0,
        l2_max=float(norms.max(initial=0.0)),
        relative_l2=relative,
        cosine_min=_cosine_min(expected, given),
        snr_db=10 * math.log10(scale / total) if total > 0 and scale > 0 else None,
        argmax_agreement=_argmax_agreement(reference, candidate),
        smallest_passing_tolerance=1.0 - spikes.agreement if spikes else relative,
        spikes=spikes,
        threshold=threshold if kind == "real" else None,
        threshold_agreement=_same_side(expected, given, threshold) if kind == "real" else None,
        saturation=_saturation(expected, given) if kind == "real" else None,
    )


def _same_side(expected: Array, given: Array, threshold: float) -> float | None:
    return float(((expected > threshold) == (given > threshold)).mean()) if expected.size else None


def _saturation(expected: Array, given: Array) -> float | None:
    if not given.size:
        return None
    low, high = given.min(), given.max()
    beyond = BEYOND * (high - low)
    cut = ((given == high) & (expected > high + beyond)) | ((given == low) & (expected < low - beyond))
    return float(cut.mean())


def _cosine_min(expected: Array, given: Array) -> float:
    a, b = np.linalg.norm(expected, axis=1), np.linalg.norm(given, axis=1)
    product = a * b
    cosine = np.divide((expected * given).sum(axis=1), product, out=np.zeros_like(product), where=product > 0)
    cosine[(a == 0) & (b == 0)] = 1.0
    return float(np.clip(cosine, -1.0, 1.0).min(initial=1.0))


def _argmax_agreement(reference: Array, candidate: Array) -> float | None:
    axis = _class_axis(reference.shape)
    if axis is None:
        return None
    return float((reference.argmax(axis=axis) == candidate.argmax(axis=axis)).mean())


def _class_axis(shape: tuple[int, ...]) -> int | None:
    """Where the classes stand in ``[samples, batch, classes, *space]`` and in ``[samples, batch, *elements, classes]``;
    None where there are no two of them."""
    if len(shape) >= 5:
        return 2 if shape[2] > 1 else None
    return len(shape) - 1 if len(shape) >= 2 and shape[-1] > 1 else None


def _spikes(difference: Array) -> SpikeDifference:
    counts = np.abs(difference)
    return SpikeDifference(
        count_mean_abs=float(counts.mean()) if counts.size else 0.0,
        count_max_abs=float(counts.max(initial=0.0)),
        agreement=float((counts < 0.5).mean()) if counts.size else 1.0,
    )


def compare_outputs(
    specs: Sequence[TensorSpec],
    reference: Mapping[str, Array],
    candidate: Mapping[str, Array],
    *,
    threshold: float = THRESHOLD,
) -> tuple[Differences, ...]:
    """Differences of every output, in the signature's order.

    Raises:
        NotFinite, ValueError: see ``compare_output``; also a missing output.
    """
    missing = [spec.name for spec in specs if spec.name not in candidate]
    if missing:
        raise ValueError(f"the candidate gives no {', '.join(missing)}; it gives {', '.join(candidate)}")
    return tuple(
        compare_output(spec.name, spec.kind, reference[spec.name], candidate[spec.name], threshold=threshold)
        for spec in specs
    )


def worst_of(outputs: Sequence[Differences]) -> Differences:
    """The worst of each figure over all outputs, under no name.

    The smallest passing tolerance is that of the spikes where there are spikes: they are what such a model is held to.
    """

    spikes = [output.spikes for output in outputs if output.spikes is not None]
    held = [output for output in outputs if output.spikes is not None] or outputs
    found = {field: [getattr(output, field) for output in outputs] for field in WORSE}
    found["smallest_passing_tolerance"] = [output.smallest_passing_tolerance for output in held]
    return msgspec.structs.replace(
        outputs[0],
        name=None,
        kind="spikes" if spikes else "real",
        spikes=SpikeDifference(
            count_mean_abs=max(count.count_mean_abs for count in spikes),
            count_max_abs=max(count.count_max_abs for count in spikes),
            agreement=min(count.agreement for count in spikes),
        )
        if spikes
        else None,
        **{
            field: WORSE[field]((value for value in found[field] if value is not None), default=None) for field in WORSE
        },
    )
