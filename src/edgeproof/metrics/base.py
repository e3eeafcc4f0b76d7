"""What a metric is: outputs and labels in, one number out; and what makes an interval of it quick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.documents.task import Direction, MetricSpec
from edgeproof.metrics.labels import Labels, Ragged

__all__ = ["Array", "Metric", "Outputs", "Score", "taken"]

Array = npt.NDArray[Any]
Outputs = Array | Mapping[str, Array]
"""Sample axis first, without the batch axis: the output that is scored, or all of them by name."""
Score = Callable[[Any, Any], float]


@dataclass(frozen=True)
class Metric:
    """A number that says how well outputs fit labels.

    Attributes:
        name: what it is called in reports.
        score: ``(outputs, labels) -> float``. ``outputs``: an array, sample axis first and without the model's batch
            axis, of the output that is scored, or of all by name where the model has several and names none as
            ``score_output``. ``labels``: as the samples have them; a list of arrays where they differ in length.
        better: which of two values is preferred.
        unit: ``share`` for a value from 0 to 1, which is written in percent; a unit such as ``mm``; or nothing.
        arguments: what a reader has to know of it.
        labelled: whether it needs labels; else the eager model's outputs stand in for them.
        by_class: whether it says something of the samples of one class.
    """

    name: str
    score: Score | None = None
    better: Direction = "higher"
    unit: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    labelled: bool = True
    by_class: bool = True

    @property
    def spec(self) -> MetricSpec:
        """What documents say of it."""
        told = {key: value for key, value in self.arguments.items() if isinstance(value, str | int | float | bool)}
        return MetricSpec(name=self.name, better=self.better, unit=self.unit, arguments=told)

    def of(self, outputs: Outputs, labels: Labels) -> float:
        """The score; labels of several lengths as a list.

        Raises:
            Exception: whatever the function raises.
        """
        assert self.score is not None  # a metric without a function has this method
        return float(self.score(outputs, list(labels) if isinstance(labels, Ragged) else labels))

    def hits(self, outputs: Outputs, labels: Labels) -> npt.NDArray[np.bool_] | None:
        """Which samples are right, ``bool[samples]``, where the score is the share of them; else None."""
        return None

    def resampled(self, outputs: Outputs, labels: Labels) -> Callable[[npt.NDArray[np.int64]], float]:
        """The score of drawn samples, as a function of how often each is drawn."""

        def again(counts: npt.NDArray[np.int64]) -> float:
            index = np.repeat(np.arange(len(counts)), counts)
            return self.of(taken(outputs, index), labels[index])

        return again


def taken(outputs: Outputs, index: npt.NDArray[np.intp]) -> Outputs:
    """The outputs of these samples, in that order."""
    if isinstance(outputs, Mapping):
        return {name: array[index] for name, array in outputs.items()}
    return outputs[index]
