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
    """

    point: PointName
    key: str
    unit: str
    of: Callable[[S], float | None]
    per_unit: float
    missing: str
    title: str = ""

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
            return [PolicyPoint(name=self.point, state="not measured", text=f"{self.missing} not measured{where}")]
        value = given / self.per_unit
        text = f"{self.title} {figure(value)} {self.unit}{where}, limit {limit:g} {self.unit}".lstrip()
        return [
            PolicyPoint(
                name=self.point, state="met" if value <= limit else "not met", text=text, value=value, limit=limit
            )
        ]
