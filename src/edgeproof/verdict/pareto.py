"""The Pareto front: which candidates no other one beats, over task score, latency, size and energy. Recommends nothing.

A candidate dominates another when it is clearly better in one figure and not clearly worse in any. *Clearly* is more
than the noise of that figure, so that equal figures, and figures that a repetition could exchange, dominate nobody.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edgeproof.documents.evaluation import Dominated, Front
from edgeproof.documents.task import SHARE
from edgeproof.verdict.cases import ROUNDING, Case
from edgeproof.verdict.contest import BUSY_NOISE
from edgeproof.verdict.figures import told
from edgeproof.verdict.shipping import ships_bytes
from edgeproof.verdict.wording import and_list, figure

__all__ = ["SHIPS", "Objective", "front_of", "objectives_of"]

UNTOLD_PAIRS = 5
"""An exact McNemar test of 5 discordant samples gives p = 2 · 0.5⁵ = 0.06 at best: no paired test tells scores that lie
so few samples apart from each other at 95 %; 6 can be enough."""
SCORE_NOISE = 0.01
"""In the unit of what is lost, for a score that is no share of samples and has no interval."""
LATENCY_NOISE = 0.02
"""Of the median, at least: what interleaved rounds on a quiet machine still differ by."""
SIZE_NOISE = 0.01
"""A hundredth of a file is no reason to choose one."""
ENERGY_NOISE = 0.05


@dataclass(frozen=True)
class Objective:
    """A figure that candidates are compared by; the smaller one is better.

    Attributes:
        key: its name in the document.
        title: what it is called.
        of: the figure of a case; None where it was not measured.
        noise: how far two cases' figures may lie apart without one being better, in the figure's unit.
        apart: by what the case's figure, the better one, is ahead of the other, in words.
    """

    key: str
    title: str
    of: Callable[[Case], float | None]
    noise: Callable[[Case, Case], float]
    apart: Callable[[Case, float, float], str]

    def value(self, case: Case) -> float | None:
        """The figure; None where there is none, or it is not finite."""
        value = self.of(case)
        return value if value is not None and math.isfinite(value) else None

    def lead(self, one: Case, other: Case) -> float:
        """By how much ``one`` is ahead of ``other``: 0 within the noise, below 0 where it is behind."""
        first, second = self.value(one), self.value(other)
        if first is None or second is None:
            return 0.0
        return second - first if abs(second - first) > self.noise(one, other) else 0.0

    def said(self, one: Case, other: Case) -> str:
        """By what ``one`` is ahead, in words."""
        return self.apart(one, self.value(one) or 0.0, self.value(other) or 0.0)


def front_of(cases: Iterable[Case]) -> Front | None:
    """The front of the candidates that passed validation; None where fewer than two can be compared.

    A figure that no candidate has is left out. A candidate that lacks a figure which others have is not compared. Every
    one that is off the front is dominated by one that is on it: to be as good, within the noise, as one that is not
    enough itself beats nobody.

    Args:
        cases: the candidates of a run.
    """
    passed = [case for case in cases if case.ending[0] == "passed"]
    objectives = objectives_of(passed)
    lacks = {case.candidate: [one.title for one in objectives if one.value(case) is None] for case in passed}
    compared = [case for case in passed if not lacks[case.candidate]]
    if len(compared) < 2 or len(objectives) < 2:
        return None
    members: list[Case] = []
    for case in sorted(compared, key=lambda case: overall(case, objectives)):
        if not any(dominates(member, case, objectives) for member in members):
            members.append(case)
    return Front(
        objectives=tuple(objective.title for objective in objectives),
        members=tuple(case.candidate for case in compared if case in members),
        dominated=tuple(
            dominated(case, [member for member in members if dominates(member, case, objectives)], objectives)
            for case in compared
            if case not in members
        ),
        not_compared={name: f"not known on the host: {and_list(titles)}" for name, titles in lacks.items() if titles},
    )


def dominates(one: Case, other: Case, objectives: Iterable[Objective]) -> bool:
    """Whether ``one`` is ahead of ``other`` in some figure and behind in none.

    Being within the noise is not transitive, so three could be ahead of each other in a ring; to dominate, one has to
    be ahead overall as well, which no ring can.
    """
    found = list(objectives)
    leads = [objective.lead(one, other) for objective in found]
    if min(leads) < 0 or max(leads) <= 0:
        return False
    return overall(one, found) < overall(other, found)


def overall(case: Case, objectives: Iterable[Objective]) -> float:
    """All figures as one, the smaller the better; it orders candidates and compares none."""
    return sum(standing(objective, case) for objective in objectives)


def standing(objective: Objective, case: Case) -> float:
    """A figure on a scale of its own on which ratios count alike: the logarithm where it is above 0."""
    value = objective.value(case) or 0.0
    return math.asinh(value / 1e-6) if objective.key != "task_drop" else value / 100


def dominated(case: Case, rivals: list[Case], objectives: list[Objective]) -> Dominated:
    """Who is ahead of the candidate, the one with the largest lead first, and what that one is ahead by."""
    by = min(rivals, key=lambda rival: overall(rival, objectives))
    ahead = [objective.said(by, case) for objective in objectives if objective.lead(by, case) > 0]
    level = [objective.title for objective in objectives if objective.lead(by, case) == 0]
    text = f"{by.candidate} is {and_list(ahead)}" + (f", {and_list(level)} within the noise" if level else "")
    others = [rival.candidate for rival in rivals if rival is not by]
    return Dominated(candidate=case.candidate, by=(by.candidate, *others), text=text)


def objectives_of(cases: Iterable[Case]) -> list[Objective]:
    """The figures that at least one of the cases has: what it scores, else its difference, and the rest.

    Size is everything that ships on the host, where that is known of all that were timed there; else the artifact's.
    """
    found = list(cases)
    scored = any(SCORE.value(case) is not None for case in found)
    summed = all(SHIPS.value(case) is not None for case in found if LATENCY.value(case) is not None)
    wanted = (SCORE if scored else DIFFERENCE, LATENCY, SHIPS if summed else SIZE, ENERGY)
    return [objective for objective in wanted if any(objective.value(case) is not None for case in found)]


def score_noise(one: Case, other: Case) -> float:
    """The wider half of both intervals, and of a share of samples what no paired test on so few can tell apart."""
    validation = one.evidence.validation
    if validation is None or not validation.samples:
        return 0.0
    found = [half_interval(case) for case in (one, other)]
    if validation.task == "accuracy":
        found.append(100 * UNTOLD_PAIRS / validation.samples + 1e-9)
    return max([width for width in found if width is not None], default=SCORE_NOISE)


def half_interval(case: Case) -> float | None:
    """Half the width of the 95 % interval of what is lost."""
    task = case.validation.task if case.validation is not None else None
    return (task.high - task.low) / 2 if task is not None and task.low is not None and task.high is not None else None


def better_score(case: Case, first: float, second: float) -> str:
    """In points for a share, else in the metric's own unit."""
    metric = case.evidence.validation.metric if case.evidence.validation is not None else None
    unit = "points" if metric is None or metric.unit == SHARE else metric.unit
    return f"{figure(second - first)} {unit} better".replace("  ", " ")


def latency_noise(one: Case, other: Case) -> float:
    """How far both medians are certain: by what the bound at 99 % confidence is a multiple of the median.

    The faster one may be as slow as its bound, and the slower one as fast as its median over the same multiple.
    """
    faster, slower = sorted((one, other), key=lambda case: LATENCY.value(case) or 0.0)
    least, most = (LATENCY.value(case) or 0.0 for case in (faster, slower))
    return least * (_multiple(faster) - 1) + most * (1 - 1 / _multiple(slower))


def _multiple(case: Case) -> float:
    steady = case.host.steady if case.host is not None else None
    bound = steady.p50.value_us if steady is not None else None
    certain = bound / steady.median_us if steady and bound is not None and steady.median_us > 0 else 1.0
    starved = case.host is not None and case.host.process is not None and case.host.process.starved
    return max(certain, math.sqrt(1 + BUSY_NOISE) if starved else 1 + LATENCY_NOISE)


def difference_noise(one: Case, other: Case) -> float:
    """Differences of one order of magnitude are one: half of the larger."""
    return max(ROUNDING, 0.5 * max(DIFFERENCE.value(one) or 0.0, DIFFERENCE.value(other) or 0.0))


def part(share: float, of: Callable[[Case], float | None]) -> Callable[[Case, Case], float]:
    """Noise that is a share of the larger figure."""
    return lambda one, other: share * max(of(one) or 0.0, of(other) or 0.0)


def times(word: str) -> Callable[[Case, float, float], str]:
    """``3.5 × smaller``."""
    return lambda _, first, second: f"{figure(second / first)} × {word}" if first > 0 else word


SIZE_OF, ENERGY_OF = told("conversion.bytes"), told("host.energy_mj")


def ships_on_host(case: Case) -> float | None:
    return ships_bytes(case, "host")


SCORE = Objective("task_drop", "task score", told("validation.task_drop"), score_noise, better_score)
DIFFERENCE = Objective(
    "relative_l2", "difference", told("differences.relative_l2"), difference_noise, times("closer to eager")
)
LATENCY = Objective("median_us", "latency", told("host.steady.median_us"), latency_noise, times("faster"))
SIZE = Objective("bytes", "size", SIZE_OF, part(SIZE_NOISE, SIZE_OF), times("smaller"))
SHIPS = Objective("ships", "what ships", ships_on_host, part(SIZE_NOISE, ships_on_host), times("smaller"))
ENERGY = Objective("energy_mj", "energy", ENERGY_OF, part(ENERGY_NOISE, ENERGY_OF), times("lower in energy"))
