"""The gate: which points of the policy an evaluation leaves unmet. For CI; decides nothing anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgeproof.documents.base import Value
from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import EvaluationDocument, PointName, PointState, Standing, Verdict
from edgeproof.verdict.contest import nearest_of
from edgeproof.verdict.points import is_measured

__all__ = ["Held", "Unmet", "gate", "measured_classes", "nearest"]


class Unmet(Value, frozen=True):
    """One point that stands between a device class and its policy."""

    device_class: DeviceClass | None
    candidate: str | None
    point: PointName
    state: PointState
    text: str


@dataclass(frozen=True)
class Held:
    """A policy held against a run.

    Attributes:
        evaluation: the run's, by that policy.
        device_classes: which had to meet it.
        unmet: the points that stand between; empty where the gate opens.
    """

    evaluation: EvaluationDocument
    device_classes: tuple[DeviceClass, ...]
    unmet: tuple[Unmet, ...]


def measured_classes(evaluation: EvaluationDocument) -> tuple[DeviceClass, ...]:
    """The device classes that a real device of the run measured."""
    return tuple(
        verdict.device_class
        for verdict in evaluation.verdicts
        if any(is_measured(standing) for standing in verdict.standings)
    )


def gate(evaluation: EvaluationDocument, device_classes: Iterable[DeviceClass] = ()) -> list[Unmet]:
    """What is unmet, empty when the gate opens.

    A device class passes when its verdict recommends a candidate that meets every point the policy asks for. A point
    that was not measured is unmet: a gate does not open on what nobody looked at.

    Args:
        evaluation: the evaluation.
        device_classes: the classes to hold; empty for every class that was measured.
    """
    wanted = tuple(device_classes) or measured_classes(evaluation)
    if not wanted:
        return [Unmet(None, None, "latency", "not measured", "no device was measured")]
    held = (verdict for verdict in evaluation.verdicts if verdict.device_class in wanted)
    return [point for verdict in held for point in unmet_of(verdict)]


def unmet_of(verdict: Verdict) -> list[Unmet]:
    """The unmet points of the recommended candidate; without one, those of the candidate that lacks least."""
    standing = nearest(verdict)
    if standing is None:
        text = "no candidate of this run ships to this device class"
        return [Unmet(verdict.device_class, None, "runs", "not measured", text)]
    return [
        Unmet(verdict.device_class, standing.candidate, point.name, point.state, point.text)
        for point in standing.points
        if point.state != "met"
    ]


def nearest(verdict: Verdict) -> Standing | None:
    """The recommended candidate's standing; without one, that of the candidate that lacks least."""
    if verdict.candidate is not None:
        return next(standing for standing in verdict.standings if standing.candidate == verdict.candidate)
    return nearest_of(verdict.standings)
