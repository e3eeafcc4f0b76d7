"""Which metrics there are by name: built in, and what other packages register as ``edgeproof.metrics``."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

from edgeproof.documents.task import SHARE
from edgeproof.errors import UsageError
from edgeproof.metrics.accuracy import Accuracy
from edgeproof.metrics.base import Metric, Outputs
from edgeproof.metrics.detection import MeanAveragePrecision
from edgeproof.metrics.labels import Labels
from edgeproof.metrics.library import LIBRARY, library_metric

__all__ = ["ACCURACY", "GROUP", "find_metric", "metric", "metric_names"]

GROUP = "edgeproof.metrics"
"""Entry points: a function of a metric's arguments that gives a ``Metric``."""
ACCURACY = Accuracy("accuracy", unit=SHARE)

Maker = Callable[..., Metric]


def _top_k(k: int = 5, ignore: int = -100) -> Metric:
    return Accuracy(f"top-{k}", unit=SHARE, arguments={"k": k}, k=k, ignore=ignore)


def _map(
    boxes: str = "boxes",
    scores: str = "scores",
    classes: str | None = None,
    threshold: float = 0.0,
    iou: float | None = None,
) -> Metric:
    told = {"threshold": threshold, **({} if iou is None else {"iou": iou})}
    name = "mAP" if iou is None else f"mAP@{iou:g}"
    return MeanAveragePrecision(
        name, unit=SHARE, arguments=told, boxes=boxes, scores=scores, classes=classes, threshold=threshold, iou=iou
    )


def _accuracy(ignore: int = -100) -> Metric:
    return dataclasses.replace(ACCURACY, ignore=ignore)


BUILT_IN: Mapping[str, Maker] = {
    "accuracy": _accuracy,
    "top_k": _top_k,
    "map": _map,
    **{name: (lambda name=name, **arguments: library_metric(name, arguments)) for name in LIBRARY},
}


def metric_names() -> list[str]:
    """Every name that ``metric`` takes."""
    return sorted({*BUILT_IN, *(entry.name for entry in metadata.entry_points(group=GROUP))})


def metric(name: str, *, decode: Callable[[Any], Any] | None = None, **arguments: Any) -> Metric:
    """A metric by name: ``metric("top_k", k=5)``.

    Args:
        name: one of ``metric_names()``.
        decode: brings outputs, an array or all by name, to what the metric takes: texts, boxes.
        arguments: the metric's own.

    Raises:
        UsageError: there is no such metric, or it takes no such argument.
    """
    maker = BUILT_IN.get(name.replace("-", "_")) or _registered(name)
    try:
        found = maker(**arguments)
    except TypeError as error:
        raise UsageError(f"the metric {name} cannot be made: {error}") from error
    if decode is None:
        return found
    return _Decoded(
        found.name, None, found.better, found.unit, found.arguments, found.labelled, found.by_class, found, decode
    )


def _registered(name: str) -> Maker:
    entries = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    if name not in entries:
        near = difflib.get_close_matches(name, metric_names(), n=1)
        raise UsageError(
            f"there is no metric {name}" + (f"; the nearest name is {near[0]}" if near else ""),
            hint=f"metrics: {', '.join(metric_names())}; or give a function of (outputs, labels)",
        )
    try:
        maker: Maker = entries[name].load()
    except Exception as error:
        raise UsageError(
            f"the metric {name} cannot be loaded from {entries[name].value}: {type(error).__name__}: {error}",
            hint="reinstall the package that registers it",
        ) from error
    return maker


def find_metric(given: str | Metric | Callable[[Any, Any], float]) -> Metric:
    """What a model names as its metric: a name, a metric, or a function, which is better where it is higher.

    Raises:
        UsageError: it is none of these.
    """
    if isinstance(given, Metric):
        return given
    if isinstance(given, str):
        return metric(given)
    if callable(given):
        return Metric(getattr(given, "__name__", type(given).__name__), given)
    raise UsageError(
        f"the model's metric is a {type(given).__name__}",
        hint="give a name, edgeproof.metric(name, …), edgeproof.Metric(name, function, better=…) or a function",
    )


@dataclasses.dataclass(frozen=True)
class _Decoded(Metric):
    """A metric of what a function makes of the outputs."""

    inner: Metric = ACCURACY
    decode: Callable[[Any], Any] = lambda outputs: outputs

    def of(self, outputs: Outputs, labels: Labels) -> float:
        return self.inner.of(self.decode(outputs), labels)

    def hits(self, outputs: Outputs, labels: Labels) -> Any:
        return self.inner.hits(self.decode(outputs), labels)

    def resampled(self, outputs: Outputs, labels: Labels) -> Any:
        return self.inner.resampled(self.decode(outputs), labels)
