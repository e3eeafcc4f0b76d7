"""Which metrics there are by name: built in, and what other packages register as ``edgeproof.metrics``."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import inspect
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

from edgeproof.documents.task import SHARE
from edgeproof.errors import EdgeProofError, UsageError
from edgeproof.metrics.accuracy import Accuracy
from edgeproof.metrics.base import Metric, Outputs
from edgeproof.metrics.detection import MeanAveragePrecision
from edgeproof.metrics.labels import Labels
from edgeproof.metrics.library import LIBRARY, library_metric

__all__ = ["ACCURACY", "GROUP", "find_metric", "metric", "metric_names", "parse_metric"]

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


def _of_library(name: str) -> Maker:
    return lambda **arguments: library_metric(name, arguments)


BUILT_IN: Mapping[str, Maker] = {
    "accuracy": _accuracy,
    "top_k": _top_k,
    "map": _map,
    **{name: _of_library(name) for name in LIBRARY},
}


def metric_names() -> list[str]:
    """Every name that ``metric`` takes."""
    return sorted({*BUILT_IN, *(entry.name for entry in metadata.entry_points(group=GROUP))})


def metric(name: str, /, *, decode: Callable[[Any], Any] | None = None, **arguments: Any) -> Metric:
    """A metric by name: ``metric("top_k", k=5)``.

    Args:
        name: one of ``metric_names()``.
        decode: brings outputs, an array or all by name, to what the metric takes: texts, boxes.
        arguments: the metric's own.

    Raises:
        UsageError: there is no such metric, it takes no such argument, or ``decode`` is no function.
    """
    if decode is not None and not callable(decode):
        raise UsageError(f"decode of the metric {name} is no function", hint="give it in Python: edgeproof.metric(…)")
    maker = BUILT_IN.get(name.replace("-", "_")) or _registered(name)
    _check_arguments(name, maker, arguments)
    try:
        found = maker(**arguments)
    except EdgeProofError:
        raise
    except Exception as error:
        raise UsageError(f"the metric {name} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(found, Metric):
        raise UsageError(
            f"the metric {name} is a {type(found).__name__}",
            hint=f"what is registered as {GROUP} is a function of its arguments that gives an edgeproof.Metric",
        )
    if decode is None:
        return found
    return _Decoded(
        found.name, None, found.better, found.unit, found.arguments, found.labelled, found.by_class, found, decode
    )


def _check_arguments(name: str, maker: Maker, arguments: Mapping[str, Any]) -> None:
    """Name those that a metric does not take, where its function tells them.

    Raises:
        UsageError: there are such.
    """
    try:
        parameters = inspect.signature(maker).parameters.values()
    except (TypeError, ValueError):
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    taken = [parameter.name for parameter in parameters]
    unknown = [key for key in arguments if key not in taken]
    if unknown:
        raise UsageError(
            f"the metric {name} takes no {', '.join(unknown)}",
            hint=f"it takes {', '.join(taken)}" if taken else "it takes no arguments",
        )


def parse_metric(text: str) -> tuple[str, dict[str, Any]]:
    """A metric's name and arguments from ``NAME:key=value,key=value``.

    Whole numbers, numbers, ``true`` and ``false`` are read as such; all else is text.

    Raises:
        UsageError: not of that form.
    """
    name, mark, rest = text.strip().partition(":")
    words = [word.strip() for word in rest.split(",")] if mark else []
    pairs = [word.partition("=") for word in words]
    if not name or any(not key.strip().isidentifier() or not sign for key, sign, _ in pairs):
        raise UsageError(
            f"cannot read the metric {text!r}; expected NAME or NAME:key=value,key=value",
            hint="for example top_k:k=3, or mae:unit=mm",
        )
    return name, {key.strip(): _value(value.strip()) for key, _, value in pairs}


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    with contextlib.suppress(ValueError):
        return int(text) if str(int(text)) == text else text  # "0123" may be letters
    with contextlib.suppress(ValueError):
        return float(text)
    return text


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
    """What a model names as its metric: ``NAME:key=value``, a metric, or a function, better where it is higher.

    Raises:
        UsageError: it is none of these.
    """
    if isinstance(given, Metric):
        return given
    if isinstance(given, str):
        name, arguments = parse_metric(given)
        return metric(name, **arguments)
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
