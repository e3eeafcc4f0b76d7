"""Accuracy and top-k: the share of samples, or of their elements, whose class is among the k largest outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.metrics.base import Array, Metric, Outputs
from edgeproof.metrics.labels import Labels, classes_of

__all__ = ["Accuracy", "classes_last"]


def classes_last(outputs: Outputs, labels: Labels) -> tuple[Array, Array]:
    """Scores ``[samples, *elements, classes]`` and classes ``int[samples, *elements]``.

    The classes may stand last or, as in images, behind the samples. A record of spikes over time, ``[samples, time
    steps, classes]`` with one label a sample, is summed over time first.

    Raises:
        ValueError: no class can be read from such outputs and labels.
    """
    if isinstance(outputs, Mapping):
        raise ValueError(f"it scores one output; the model gives {', '.join(outputs)}: name one as score_output")
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iufb":
        raise ValueError("its labels are classes, whole numbers, as many for every sample")
    scores = np.asarray(outputs)
    single = classes_of(labels)
    wanted = single if single is not None else labels
    if not np.array_equal(wanted, np.round(wanted)):
        raise ValueError("its labels are classes, whole numbers")
    elements = wanted.shape[1:]
    if wanted.ndim == 1 and scores.ndim == 3:
        scores = scores.sum(axis=1)
    if scores.shape[1:-1] == elements and scores.ndim == wanted.ndim + 1:
        return scores, wanted.astype(np.int64)
    if scores.shape[2:] == elements and scores.ndim == wanted.ndim + 1:
        return np.moveaxis(scores, 1, -1), wanted.astype(np.int64)
    raise ValueError(
        f"no class can be read from outputs {list(scores.shape[1:])} for labels {list(wanted.shape[1:])} of a sample"
    )


@dataclass(frozen=True)
class Accuracy(Metric):
    """Top-k accuracy; elements whose label is ``ignore`` count for nothing.

    Attributes:
        k: how many classes may be named.
        ignore: the label of elements that are left out.
    """

    k: int = 1
    ignore: int = -100

    def right(self, outputs: Outputs, labels: Labels) -> tuple[Array, Array]:
        """Which elements are right, and which of them count: ``bool[samples, *elements]`` each."""
        scores, wanted = classes_last(outputs, labels)
        counted = wanted != self.ignore
        if bool((wanted[counted] >= scores.shape[-1]).any() or (wanted[counted] < 0).any()):
            raise ValueError(f"labels reach {int(wanted.max())}; the output has {scores.shape[-1]} classes")
        if self.k == 1:
            return (scores.argmax(axis=-1) == wanted) & counted, counted
        own = np.take_along_axis(scores, np.where(counted, wanted, 0)[..., None], axis=-1)
        return ((scores > own).sum(axis=-1) < self.k) & counted, counted

    def of(self, outputs: Outputs, labels: Labels) -> float:
        """The share that is right, 0..1.

        Raises:
            ValueError: no class can be read from the outputs.
        """
        right, counted = self.right(outputs, labels)
        return float(right.sum() / counted.sum()) if counted.any() else float("nan")

    def hits(self, outputs: Outputs, labels: Labels) -> npt.NDArray[np.bool_] | None:
        """Which samples are right, where each has one label."""
        right, counted = self.right(outputs, labels)
        return right if right.ndim == 1 and bool(counted.all()) else None

    def resampled(self, outputs: Outputs, labels: Labels) -> Callable[[npt.NDArray[np.int64]], float]:
        """By the sums of each sample: its right elements, and those that count."""
        right, counted = (part.reshape(len(part), -1).sum(axis=1) for part in self.right(outputs, labels))

        def again(counts: npt.NDArray[np.int64]) -> float:
            total: Any = counts @ counted
            return float(counts @ right / total) if total else float("nan")

        return again
