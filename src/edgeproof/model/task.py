"""What a model's task is scored by: its own metric, or accuracy where its labels are classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeproof.documents.samples import Check
from edgeproof.documents.signature import Signature
from edgeproof.documents.task import MetricSpec
from edgeproof.errors import EdgeProofError, UsageError
from edgeproof.metrics.base import Metric, Outputs
from edgeproof.metrics.labels import Labels, Ragged, classes_of
from edgeproof.metrics.registry import ACCURACY, find_metric
from edgeproof.model.model import Model

__all__ = ["check_metric", "metric_of", "scored_labels", "scored_outputs", "spec_of"]


def metric_of(model: Model) -> Metric:
    """The model's metric, or accuracy.

    Raises:
        UsageError: it names one that is not there.
    """
    return ACCURACY if model.metric is None else find_metric(model.metric)


def spec_of(model: Model, signature: Signature, labels: Labels | None) -> tuple[MetricSpec | None, list[Check]]:
    """What documents say of the metric; None where nothing can be scored, with a word on why.

    Raises:
        UsageError: the model names a metric that is not there.
    """
    metric = metric_of(model)
    if model.metric is None:
        why = _no_accuracy(signature, labels)
        if why is not None:
            found = [] if labels is None else [Check(name="metric", status="warning", detail=f"no task score: {why}")]
            return None, found
    named = ACCURACY.name if model.metric is None else model.metric if isinstance(model.metric, str) else None
    told = msgspec.structs.replace(metric.spec, named=named)
    if labels is not None:
        return told, []
    if metric.labelled:
        detail = f"no task score: the metric {metric.name} takes labels, and the samples have none"
        return None, [Check(name="metric", status="warning", detail=detail)]
    return msgspec.structs.replace(told, against_eager=True), []


def _no_accuracy(signature: Signature, labels: Labels | None) -> str | None:
    """Why there is no accuracy, or None."""
    classes, name = classes_of(labels), signature.score_output
    if classes is None:
        return "the labels are no classes, and the model names no metric"
    spec = next((output for output in signature.outputs if output.name == name), None)
    if spec is None:
        return "no output has classes, and the model names no metric"
    if len(classes) and (int(classes.min()) < 0 or int(classes.max()) >= spec.shape[-1]):
        reach = f"{int(classes.min())} to {int(classes.max())}"
        return f"the labels reach from {reach}, and the output {spec.name} has {spec.shape[-1]} classes"
    return None


def scored_outputs(signature: Signature, outputs: Mapping[str, npt.NDArray[Any]]) -> Outputs:
    """What a metric takes: the output that is scored, or all by name; without the model's batch axis.

    Args:
        outputs: ``[samples, *shape]`` by name.
    """
    found = {}
    for spec in signature.outputs:
        axis = 0
        if signature.timesteps is not None and spec.shape[:1] == (signature.timesteps,) and len(spec.shape) > 1:
            axis = 1
        batched = len(spec.shape) > axis and spec.shape[axis] == 1
        found[spec.name] = np.squeeze(outputs[spec.name], axis=axis + 1) if batched else outputs[spec.name]
    return found[signature.score_output] if signature.score_output is not None else found


def scored_labels(labels: Labels | None, signature: Signature, reference: Mapping[str, npt.NDArray[Any]]) -> Labels:
    """The labels, or the eager model's outputs where these stand in for them."""
    if labels is not None:
        return labels
    outputs = scored_outputs(signature, reference)
    assert isinstance(outputs, np.ndarray)
    return outputs


def check_metric(metric: Metric, outputs: Outputs, labels: Labels) -> float:
    """The metric tried on the eager model's outputs, before anything is converted.

    Raises:
        UsageError: it does not take them, or gives no number.
    """
    try:
        score = metric.of(outputs, labels)
    except EdgeProofError:
        raise
    except Exception as error:
        shapes = _shapes(outputs)
        wanted = labels.values if isinstance(labels, Ragged) else labels
        raise UsageError(
            f"the metric {metric.name} cannot be computed of the model's outputs: {type(error).__name__}: {error}",
            hint=f"it is given outputs {shapes} and labels {wanted.dtype}{list(wanted.shape)}, samples first",
        ) from error
    if not math.isfinite(score):
        raise UsageError(
            f"the metric {metric.name} is {score} of the model's outputs",
            hint="score it on held-out samples that it is defined on, of all classes for example, or name another",
        )
    return score


def _shapes(outputs: Outputs) -> str:
    if isinstance(outputs, np.ndarray):
        return f"{outputs.dtype}{list(outputs.shape)}"
    return ", ".join(f"{name}:{array.dtype}{list(array.shape)}" for name, array in outputs.items())
