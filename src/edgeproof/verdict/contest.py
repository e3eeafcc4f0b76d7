"""The candidates that ship to one device class: who qualifies, and in which order. Says nothing in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import Evidence, PointName, PolicyValue, Standing
from edgeproof.verdict.cases import Case
from edgeproof.verdict.points import is_measured, point_of

__all__ = ["Contest"]


@dataclass(frozen=True)
class Contest:
    """One device class.

    Attributes:
        device: the class.
        evidence: the run's documents.
        policy: the thresholds.
        cases: every candidate of the run, by name.
        standings: the candidates that ship to the class, against the policy.
    """

    device: DeviceClass
    evidence: Evidence
    policy: PolicyValue
    cases: Mapping[str, Case]
    standings: tuple[Standing, ...]

    @cached_property
    def measured(self) -> bool:
        """Whether a real device of the class measured a candidate."""
        return any(is_measured(standing) for standing in self.standings)

    @property
    def made(self) -> bool:
        """Whether any candidate of the run could be made, as far as is known."""
        conversion = self.evidence.conversion
        return conversion is None or any(result.status == "ok" for result in conversion.candidates)

    @property
    def spiking(self) -> bool:
        """Whether the model is known to be spiking."""
        return self.evidence.samples is not None and self.evidence.samples.signature.spiking

    @property
    def prefers_sdk(self) -> bool:
        """Whether the rule prefers the SDK here: always, but for a dense model on a phone."""
        if self.device not in ("android", "iphone"):
            return True
        return self.policy.prefer_sdk_for_spiking and self.spiking

    @cached_property
    def qualified(self) -> list[Standing]:
        """The candidates that may be recommended: those that meet everything, else those without a point against them.

        Outputs must have been compared, with a model that tells something, and be within the policy. On a device class
        that was measured the latency must be met too; on one that was not, latency cannot speak for or against anyone.
        """
        complete = [standing for standing in self.standings if standing.status == "meets"]
        if complete:
            return complete
        needed: tuple[PointName, ...] = ("difference", "latency") if self.measured else ("difference",)
        return [
            standing
            for standing in self.standings
            if standing.status == "open"
            and point_of(standing, "evidence") is None
            and all((point := point_of(standing, name)) is not None and point.state == "met" for name in needed)
        ]

    @cached_property
    def order(self) -> list[Standing]:
        """The qualified candidates, best first: the preferred family, then latency where it was measured.

        Without a measurement: the least task score lost (to a tenth of a point), then one call before one call a time
        step, then the smaller artifact, then name.
        """
        return sorted(self.qualified, key=self.rank)

    def rank(self, standing: Standing) -> tuple[bool, float, bool, float, str]:
        """What a candidate is sorted by."""
        latency, task = point_of(standing, "latency"), point_of(standing, "task")
        conversion = self.cases[standing.candidate].conversion
        size = float(conversion.bytes) if conversion is not None and conversion.bytes is not None else float("inf")
        if self.measured:
            first = latency.value if latency is not None and latency.value is not None else float("inf")
        else:
            first = round(max(task.value, 0.0), 1) if task is not None and task.value is not None else 0.0
        steps = not self.measured and conversion is not None and conversion.form == "step"
        return (standing.sdk != self.prefers_sdk, first, steps, size, standing.candidate)

    @property
    def chosen(self) -> Standing | None:
        """The recommended candidate."""
        return self.order[0] if self.order else None

    @cached_property
    def undecided(self) -> list[Standing]:
        """Candidates without a point against them that are not qualified yet."""
        return [standing for standing in self.standings if standing.status == "open" and standing not in self.order]
