"""How well a model does its task: which metric says it, and what a candidate loses of it, with an interval."""

from __future__ import annotations

from typing import Any, Literal

from edgeproof.documents.base import Value

__all__ = ["SHARE", "Direction", "IntervalMethod", "MetricSpec", "SliceKind", "SliceScore", "TaskScore"]

Direction = Literal["higher", "lower"]
IntervalMethod = Literal["score interval", "paired bootstrap"]
"""``score interval``: Tango's, of the difference of two paired shares; beside it stands McNemar's exact test."""
SliceKind = Literal["class", "slice"]
SHARE = "share"
"""The unit of a metric from 0 to 1: its values are written in percent, and what is lost of it in points."""


class MetricSpec(Value, frozen=True, kw_only=True):
    """A metric: what it is called, which of two values is preferred, and in which unit it is."""

    name: str
    better: Direction = "higher"
    unit: str = ""
    """``share``, a unit such as ``mm``, or nothing."""
    arguments: dict[str, Any] = {}
    named: str | None = None
    """The name by which it is found; None where the model brings the function itself."""
    against_eager: bool = False
    """Whether the eager model's outputs stand in for labels that are not there."""


class TaskScore(Value, frozen=True, kw_only=True):
    """A candidate's score beside the eager model's, on the same samples.

    ``drop``, ``low`` and ``high`` are in the metric's unit, points for a share, and above zero where something is lost.
    """

    score: float
    reference: float
    drop: float
    low: float | None = None
    """Of the 95 % interval of ``drop``; None where it is not defined."""
    high: float | None = None
    count: int
    method: IntervalMethod
    draws: int = 0
    """Of the bootstrap, whose seed is 0."""
    lost: int | None = None
    """Samples that the eager model has right and the candidate wrong, where the metric counts such."""
    gained: int | None = None
    p_value: float | None = None
    """Of McNemar's exact test that nothing is lost or gained."""


class SliceScore(Value, frozen=True, kw_only=True):
    """The same of some of the samples."""

    kind: SliceKind
    name: str
    task: TaskScore
