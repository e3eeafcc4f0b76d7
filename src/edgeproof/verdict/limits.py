"""A budget of the policy, and the figure that is held against it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from edgeproof.documents.evaluation import PointName, PointState, PolicyPoint
from edgeproof.documents.policy import PolicyValue
from edgeproof.verdict.wording import figure

__all__ = ["SEVERITY", "Limit"]

SEVERITY: dict[PointState, int] = {"not met": 3, "unsupported": 2, "not measured": 1, "met": 0}

S = TypeVar("S")


@dataclass(frozen=True)
class Limit(Generic[S]):
    """A budget of the policy, and the figure that must not be above it.

    Attributes:
        point: the point's name.
        key: the policy's key; None there means no limit.
        unit: of the budget.
        of: the figure, of a case or of a measurement.
        per_unit: how much of the figure makes one of the budget's unit.
        missing: what is not measured when there is no figure.
        title: what the figure is called when there is one; nothing where the unit says it.
        why: why there is no figure, where that is known.
        bounds: between which values the figure lies, where that is known; both must be on one side of the budget.
        least: why the figure is the least that it can be, such as an estimate that leaves something out: below the
            budget it then decides nothing. None where it is whole.
    """

    point: PointName
    key: str
    unit: str
    of: Callable[[S], float | None]
    per_unit: float
    missing: str
    title: str = ""
    why: Callable[[S], str | None] = lambda _: None
    bounds: Callable[[S], tuple[float, float] | None] = lambda _: None
    least: Callable[[S], str | None] = lambda _: None

    def asked(self, policy: PolicyValue) -> float | None:
        """The budget, or None when the policy has none."""
        value: float | None = getattr(policy, self.key)
        return value

    def hold(self, policy: PolicyValue, subject: S, where: str = "") -> list[PolicyPoint]:
        """The figure against the budget; nothing when the policy has none."""
        limit, given = self.asked(policy), self.of(subject)
        if limit is None:
            return []
        if given is None or not math.isfinite(given):
            reason = self.why(subject)
            text = f"{self.missing} not measured{where}{'' if reason is None else f': {reason}'}"
            return [PolicyPoint(name=self.point, state="not measured", text=text)]
        value = given / self.per_unit
        text = f"{self.title} {figure(value)} {self.unit}{where}, limit {limit:g} {self.unit}".lstrip()
        state, undecided = self._decided(subject, value, limit)
        return [PolicyPoint(name=self.point, state=state, text=text + undecided, value=value, limit=limit)]

    def _decided(self, subject: S, value: float, limit: float) -> tuple[PointState, str]:
        """Whether the budget is kept, and in words why that is open."""
        bounds = self.bounds(subject)
        low, high = (value, value) if bounds is None else (bound / self.per_unit for bound in bounds)
        if low > limit:
            return "not met", ""
        if high > limit:
            return (
                "unsupported",
                f"; from {figure(low)} to {figure(high)} {self.unit} with 95 % confidence, on both sides",
            )
        least = self.least(subject)
        return ("met", "") if least is None else ("unsupported", f"; {least}")
