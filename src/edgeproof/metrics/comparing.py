"""A candidate's score beside the eager model's: what is lost, with its interval, of all samples and of slices."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from edgeproof.documents.task import SHARE, MetricSpec, SliceKind, SliceScore, TaskScore
from edgeproof.metrics.base import Metric, Outputs, taken
from edgeproof.metrics.intervals import bootstrap_interval, draw_counts, mcnemar, tango
from edgeproof.metrics.labels import Labels, classes_of

__all__ = ["LEAST_DRAWS", "Beside", "Slices", "lost_of", "slices_of"]

DRAWS = 2000
LEAST_DRAWS = 200
"""Of fewer there is no interval."""
SECONDS = 20.0
"""For the draws of one candidate; a slow metric gets fewer of them."""
MOST_CLASSES = 100
LEAST_SAMPLES = 5
"""Of a slice; of fewer nothing can be said."""

T = TypeVar("T")
Index = npt.NDArray[np.intp]


def lost_of(spec: MetricSpec, reference: float, score: float) -> float:
    """What a candidate loses, above zero where it is worse: in the metric's unit, points for a share."""
    lost = reference - score if spec.better == "higher" else score - reference
    return (100 * lost if spec.unit == SHARE else lost) + 0.0  # never -0.0


def slices_of(
    labels: Labels | None, slices: npt.NDArray[Any] | None, *, by_class: bool = True
) -> dict[tuple[SliceKind, str], Index]:
    """The samples of every class and of every named slice; those of too few samples are left out."""
    found: dict[tuple[SliceKind, str], Index] = {}
    classes = classes_of(labels) if by_class else None
    if classes is not None and 2 <= len(np.unique(classes)) <= MOST_CLASSES:
        found |= {("class", str(value)): np.flatnonzero(classes == value) for value in np.unique(classes)}
    if slices is not None:
        found |= {("slice", str(value)): np.flatnonzero(slices == value) for value in np.unique(slices)}
    return {key: index for key, index in found.items() if len(index) >= LEAST_SAMPLES}


@dataclass(frozen=True)
class Beside:
    """The eager model on one set of samples, that candidates are held beside.

    Attributes:
        metric: what is scored.
        reference: the eager model's outputs.
        labels: of the same samples.
        draws: of the bootstrap, at most.
        seconds: of the processor, for the draws of one candidate.
    """

    metric: Metric
    reference: Outputs
    labels: Labels
    draws: int = DRAWS
    seconds: float = SECONDS

    @property
    def count(self) -> int:
        """Of samples."""
        return len(self.labels)

    @cached_property
    def score(self) -> float:
        """The eager model's."""
        return self.metric.of(self.reference, self.labels)

    @cached_property
    def hits(self) -> npt.NDArray[np.bool_] | None:
        """Which samples the eager model has right, where the metric counts such."""
        return self.metric.hits(self.reference, self.labels)

    def part(self, index: Index, *, seconds: float) -> Beside:
        """The same on some of the samples."""
        draws = max(LEAST_DRAWS, self.draws // 4)
        return Beside(self.metric, taken(self.reference, index), self.labels[index], draws, seconds)

    def task(self, outputs: Outputs) -> TaskScore:
        """A candidate's score beside it.

        Args:
            outputs: of the same samples.

        Raises:
            ValueError: it is no number. Exception: whatever the metric raises.
        """
        score = self.metric.of(outputs, self.labels)
        if not math.isfinite(score):
            raise ValueError(f"the metric {self.metric.name} is {score} of its outputs")
        lost = lost_of(self.metric.spec, self.score, score)
        told = TaskScore(score=score, reference=self.score, drop=lost, count=self.count, method="paired bootstrap")
        hits = self.metric.hits(outputs, self.labels) if self.hits is not None else None
        if self.hits is not None and hits is not None:
            return _counted(told, self.hits, hits)
        return self._drawn_interval(told, outputs)

    def _drawn_interval(self, told: TaskScore, outputs: Outputs) -> TaskScore:
        """With the interval of the paired bootstrap: the same draws for the eager model and every candidate."""
        mine = self._drawn_scores
        scores = _drawn(self.metric.resampled(outputs, self.labels), self._counts[: len(mine)], self.seconds)
        told = msgspec.structs.replace(told, draws=len(scores))
        if len(scores) < LEAST_DRAWS:
            return told
        spec = self.metric.spec
        differences = np.asarray(
            [lost_of(spec, first, second) for first, second in zip(mine, scores, strict=False)], np.float64
        )
        ends = bootstrap_interval(differences, self.count)
        low, high = ends if ends is not None else (None, None)
        return msgspec.structs.replace(told, low=low, high=high)

    @cached_property
    def _counts(self) -> npt.NDArray[np.int64]:
        """How often each draw has each sample."""
        return draw_counts(self.count, self.draws)

    @cached_property
    def _drawn_scores(self) -> npt.NDArray[np.float64]:
        """The eager model's scores of the draws, or of as many as there is time for."""
        return _drawn(self.metric.resampled(self.reference, self.labels), self._counts, self.seconds)


def _drawn(again: Any, counts: npt.NDArray[np.int64], seconds: float) -> npt.NDArray[np.float64]:
    """The scores of the draws, or of as many as there is time for; NaN where the metric is not defined."""
    begin, scores = time.process_time(), []
    for drawn in counts:
        scores.append(_or_nan(again, drawn))
        if time.process_time() - begin > seconds:
            break
    return np.asarray(scores, np.float64)


def _or_nan(score: Callable[[T], float], of: T) -> float:
    """A score, or NaN where the metric raises: on the samples of one class some do, on too few others."""
    try:
        return score(of)
    except Exception:  # the metric may be the user's own
        return math.nan


def _counted(told: TaskScore, first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> TaskScore:
    """With Tango's interval and McNemar's test, of samples that are right or wrong."""
    lost, gained = int((first & ~second).sum()), int((~first & second).sum())
    low, high = tango(lost, gained, len(first))
    return msgspec.structs.replace(
        told,
        method="score interval",
        low=100 * low,
        high=100 * high,
        lost=lost,
        gained=gained,
        p_value=mcnemar(lost, gained),
    )


@dataclass(frozen=True)
class Slices:
    """The slices of a set of samples, each beside the eager model."""

    parts: Mapping[tuple[SliceKind, str], tuple[Index, Beside]]

    @classmethod
    def of(cls, whole: Beside, slices: Mapping[tuple[SliceKind, str], Index]) -> Slices:
        """The slices that the metric is defined on; together they have as much time as the whole."""
        seconds = whole.seconds / max(1, len(slices))
        parts = {key: (index, whole.part(index, seconds=seconds)) for key, index in slices.items()}
        defined = {key for key, (_, beside) in parts.items() if math.isfinite(_or_nan(lambda part: part.score, beside))}
        return cls({key: part for key, part in parts.items() if key in defined})

    def scores(self, outputs: Outputs) -> tuple[SliceScore, ...]:
        """A candidate's score on each; those on which it is not defined are left out."""
        found = []
        for (kind, name), (index, beside) in self.parts.items():
            with contextlib.suppress(Exception):  # the metric may be the user's own
                found.append(SliceScore(kind=kind, name=name, task=beside.task(taken(outputs, index))))
        return tuple(found)
