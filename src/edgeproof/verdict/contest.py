"""The candidates that ship to one device class: who qualifies, and in which order. Says nothing in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import Evidence, PointName, PolicyPoint, Standing
from edgeproof.documents.policy import PolicyValue, Preference
from edgeproof.verdict.cases import ROUNDING, Case
from edgeproof.verdict.enduring import end_of
from edgeproof.verdict.figures import told
from edgeproof.verdict.points import is_measured, point_of
from edgeproof.verdict.shipping import ships_bytes

__all__ = ["BUSY_NOISE", "NOISE", "SCORES", "Contest", "nearest_of"]

NOISE = 0.05
"""Medians on one device that lie no further apart are equal, whatever their own bounds say."""
BUSY_NOISE = 0.5
"""Those of which one was timed while others had the processor: a repetition can exchange them."""
ALIKE = 0.1
"""Memory and sizes that lie no further apart are."""
SCORES: tuple[PointName, ...] = ("task", "slice")
PRECISIONS = ("fp32", "fp16")
"""From the most faithful on; others come after."""


@dataclass(frozen=True)
class Contest:
    """One device class.

    Attributes:
        device: the class.
        evidence: the run's documents.
        policy: the thresholds, as the class is held to them.
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

    @cached_property
    def busy(self) -> bool:
        """Whether others took the processor of the recommended candidate, or of one that may be faster, while they were
        timed on a device of the class: the order of the two is not their own."""
        if self.chosen is None or (self.prefer == "sdk" and self.chosen.sdk and not self.starved(self.chosen)):
            return False
        return any(self.starved(standing) for standing in (*self.order, *self.rivals))

    def starved(self, standing: Standing) -> bool:
        """Whether a candidate was timed while the device was busy."""
        found = self.cases[standing.candidate].on(self.device)
        return any(taken.process is not None and taken.process.starved for _, taken in found)

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
    def prefer(self) -> Preference:
        """What is preferred here: a spiking model's own engine, else what the policy says."""
        return "sdk" if self.spiking and self.policy.prefer_sdk_for_spiking else self.policy.prefer

    def preferred(self, standing: Standing) -> bool:
        """Whether a candidate is of the preferred family.

        That is the SDK's where it is preferred. Where the fastest is, and no figure tells which that is, it is the
        conversions: their runtimes are made for the processors of such devices, PyTorch and our engine are not.
        """
        if self.prefer == "sdk":
            return standing.sdk
        if self.prefer == "fastest" and not self.measured:
            return not standing.sdk and not self.cases[standing.candidate].eager
        return True

    @cached_property
    def qualified(self) -> list[Standing]:
        """The candidates that may be recommended: those that meet everything, else those without a point against them.

        A score of which nothing was lost counts as met, though its interval may not decide: else one that gained a
        sample by luck would go before those that decide every sample as the eager model does. Of the others, outputs
        must have been compared, with a model that tells something, and be within the policy; what is known of the task
        score must be. On a device class that was measured the latency must be met too; on one that was not, latency
        cannot speak for or against anyone.
        """
        complete = [standing for standing in self.standings if all(met_or_not_lost(point) for point in standing.points)]
        if complete:
            return complete
        needed: tuple[PointName, ...] = ("difference", "latency") if self.measured else ("difference",)
        return [
            standing
            for standing in self.standings
            if standing.status == "open"
            and point_of(standing, "evidence") is None
            and all((point := point_of(standing, name)) is not None and point.state == "met" for name in needed)
            and within_estimate(standing)
        ]

    @cached_property
    def order(self) -> list[Standing]:
        """The qualified candidates, best first: the preferred family, then what is preferred, then the ties.

        Of those that are as good as the best ``first_of`` them comes first.
        """
        rest = sorted(self.qualified, key=lambda standing: (not self.preferred(standing), *self.rank(standing)))
        if not rest:
            return rest
        best = rest[0]
        first = self.first_of([other for other in rest if self.as_good(other, best)])
        return [first, *(other for other in rest if other is not first)]

    def rank(self, standing: Standing) -> tuple[float | str, ...]:
        """What a candidate is sorted by within its family: less is better."""
        case = self.cases[standing.candidate]
        if self.prefer == "smallest":
            return (self.size(case), self.median(case), standing.candidate)
        if self.prefer != "faithful" and self.measured:
            return (self.median(case), self.size(case), standing.candidate)
        steps = float(case.form == "step")
        return (*self.faithfulness(case), steps, self.size(case), self.median(case), standing.candidate)

    def as_good(self, other: Standing, best: Standing) -> bool:
        """Whether two candidates of one family cannot be told apart by what is preferred."""
        if self.preferred(other) != self.preferred(best):
            return False
        case, first = self.cases[other.candidate], self.cases[best.candidate]
        if self.prefer == "smallest":
            return self.size(case) <= self.size(first) * (1 + ALIKE)
        if self.prefer != "faithful" and self.measured:
            noise = BUSY_NOISE if self.starved(other) or self.starved(best) else NOISE
            return self.median(case) <= max(self.bound(first), self.median(first) * (1 + noise))
        return self.faithfulness(case) == self.faithfulness(first) and case.form == first.form

    def first_of(self, tied: list[Standing]) -> Standing:
        """Of those that are as good: the one with least memory, where it was measured; then of the highest precision,
        for a tie asks for no lower one; then what ships least; what is alike in these needs no runtime of others, or is
        ahead."""
        tied = self.least_of(tied, self.memory)
        highest = min(self.precision(self.cases[found.candidate]) for found in tied)
        tied = [found for found in tied if self.precision(self.cases[found.candidate]) == highest]
        return min(self.least_of(tied, self.size), key=lambda found: not self.cases[found.candidate].sdk)

    def least_of(self, tied: list[Standing], figure: Callable[[Case], float]) -> list[Standing]:
        """Those whose figure is the least, or alike."""
        least = min(figure(self.cases[found.candidate]) for found in tied)
        return [found for found in tied if figure(self.cases[found.candidate]) <= least * (1 + ALIKE)]

    @cached_property
    def in_question(self) -> frozenset[str]:
        """The candidates that qualify."""
        return frozenset(standing.candidate for standing in self.qualified)

    @cached_property
    def enduring(self) -> bool:
        """Whether all that qualify were measured under load for minutes: then the end of that orders them."""
        measured = [
            taken
            for name in self.in_question
            for _, taken in self.cases[name].on(self.device)
            if taken.steady is not None
        ]
        return bool(measured) and all(end_of(taken.sustained, self.policy) is not None for taken in measured)

    def median(self, case: Case) -> float:
        """Median latency in µs, the worst of the class's devices; infinite where there is none. At the end of minutes
        under load where all that qualify were measured so."""
        found = [
            end.median_us
            if self.enduring and (end := end_of(taken.sustained, self.policy)) is not None
            else taken.steady.median_us
            for _, taken in case.on(self.device)
            if taken.steady is not None
        ]
        return max(found, default=math.inf)

    def bound(self, case: Case) -> float:
        """What the median is below, at 99 % confidence; the median itself where the count supports no bound."""
        if self.enduring:
            return self.median(case)
        found = [taken.steady for _, taken in case.on(self.device) if taken.steady is not None]
        return max((steady.p50.value_us or steady.median_us for steady in found), default=math.inf)

    def memory(self, case: Case) -> float:
        """Peak memory in bytes, the worst of the class's devices; infinite where there is none."""
        found = [taken.process.peak_memory_bytes for _, taken in case.on(self.device) if taken.process is not None]
        return max((float(value) for value in found if value is not None), default=math.inf)

    def size(self, case: Case) -> float:
        """Bytes of everything that ships to the class; infinite where that is not known.

        Artifacts are compared where it is known of none: a sum and an artifact are no pair.
        """
        known = ships_bytes(case, self.device) if self.sums_known else told("conversion.bytes")(case)
        return math.inf if known is None else float(known)

    @cached_property
    def sums_known(self) -> bool:
        """Whether it is known of any qualified candidate what ships with it."""
        return any(ships_bytes(self.cases[found.candidate], self.device) is not None for found in self.qualified)

    def faithfulness(self, case: Case) -> tuple[float, float]:
        """Precision, then by how much outputs are off, in steps of ten; what the order of sums explains is none."""
        off = case.differences.relative_l2 if case.differences is not None else None
        known = off is not None and math.isfinite(off)
        steps = math.ceil(math.log10(max(off or 0.0, ROUNDING) / ROUNDING)) if known else math.inf
        return (float(self.precision(case)), steps)

    def precision(self, case: Case) -> int:
        """0 for the highest, more for those that come after."""
        return next((n for n, name in enumerate(PRECISIONS) if case.precision == name), len(PRECISIONS))

    @property
    def chosen(self) -> Standing | None:
        """The recommended candidate."""
        return self.order[0] if self.order else None

    @cached_property
    def undecided(self) -> list[Standing]:
        """Candidates without a point against them that are not qualified yet: a measurement can still decide."""
        return [standing for standing in self.standings if standing.status == "open" and standing not in self.order]

    @cached_property
    def rivals(self) -> list[Standing]:
        """Those of them that would be recommended if they qualified, as far as is known: what is slower than the
        recommended one, or of another family than the preferred, would not."""
        if self.chosen is None:
            return self.undecided
        first = (not self.preferred(self.chosen), *self.rank(self.chosen))
        return [
            standing
            for standing in self.undecided
            if (point := point_of(standing, "latency")) is None
            or (self.prefer == "fastest" and self.measured and point.state != "met" and self.preferred(standing))
            or (not self.preferred(standing), *self.rank(standing)) < first
        ]

    def lacking(self, standing: Standing) -> list[PolicyPoint]:
        """The points that are neither met nor missed, those first without which it cannot be recommended: a score whose
        interval does not decide keeps nobody from that while its estimate is within the limit."""
        found = [point for point in standing.points if point.state in ("not measured", "unsupported")]
        return sorted(found, key=lambda point: point.name in SCORES and within_limit(point))

    @property
    def nearest(self) -> Standing | None:
        """The candidate that misses the policy by least."""
        return nearest_of(self.standings)


def met_or_not_lost(point: PolicyPoint) -> bool:
    """Whether a point is met, or is a score of which nothing was lost on samples that do not decide."""
    return point.state == "met" or (
        point.name in SCORES and point.state == "unsupported" and point.value is not None and point.value <= 0
    )


def within_estimate(standing: Standing) -> bool:
    """Whether no estimate of a score is beyond its limit, though intervals may not decide."""
    return all(within_limit(point) for name in SCORES if (point := point_of(standing, name)) is not None)


def within_limit(point: PolicyPoint) -> bool:
    """Whether a point's estimate is, as far as there is one."""
    return point.value is None or point.limit is None or point.value <= point.limit


def nearest_of(standings: tuple[Standing, ...]) -> Standing | None:
    """The one that misses least: by how many points, then by how far, as a share of the limits."""

    def distance(standing: Standing) -> tuple[int, float, int, str]:
        missed = [point for point in standing.points if point.state == "not met"]
        far = [
            abs(point.value - point.limit) / max(abs(point.limit), 1e-12)
            if point.value is not None and point.limit is not None
            else math.inf
            for point in missed
        ]
        unknown = sum(point.state != "met" for point in standing.points)
        return (len(missed), max(far, default=0.0), unknown, standing.candidate)

    return min(standings, key=distance, default=None)
