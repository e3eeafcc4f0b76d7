"""The highest rate of a Poisson process at which a percentile stays under a bound: bracketing, then bisection.

It decides which rate is tried next and what a trial says; how one is driven is the caller's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from edgeproof.client.report import ClientReport
from edgeproof.documents.latency import Capacity, CapacityStep
from edgeproof.errors import UsageError
from edgeproof.measure.statistics import minimum_queries, percentile

__all__ = ["Bound", "Search", "bound_of", "find_capacity", "lowest_rate", "step_seconds"]

BOUND = re.compile(r"p(50|90|95|99)\s*=\s*(\d+(?:\.\d+)?)\s*(us|µs|ms|s)")
MICROSECONDS = {"us": 1.0, "µs": 1.0, "ms": 1e3, "s": 1e6}
TIMES_MINIMUM = 3.0
"""Requests of a step, in those that its percentile needs at least: with as few as that the estimate is the largest of
all values, and one stall of the machine decides."""
LEAST_TIMES = 1.3
"""Of the same where the cap on a step's time is in the way: a Poisson process may make fewer than is expected."""
STEP_S = 2.0
ACHIEVED = 0.85
"""Of a rate, at least: below that a line grows, though it may not have grown over the bound yet. A Poisson process
makes a few percent fewer than is expected now and then."""
MOST_STEPS = 24


@dataclass(frozen=True)
class Bound:
    """``p99`` and 20,000 µs of ``p99=20ms``."""

    share: float
    limit_us: float

    @property
    def name(self) -> str:
        """``p99``."""
        return f"p{100 * self.share:.0f}"


def bound_of(text: str) -> Bound:
    """Read a bound such as ``p99=20ms``.

    Raises:
        UsageError: it is none.
    """
    found = BOUND.fullmatch(text.strip())
    if not found or float(found[2]) <= 0:
        raise UsageError(f"{text!r} is not a bound", hint="give p50, p90, p95 or p99 and a time: p99=20ms")
    return Bound(int(found[1]) / 100, float(found[2]) * MICROSECONDS[found[3]])


@dataclass(frozen=True)
class Search:
    """How to look.

    Attributes:
        bound: what has to hold.
        start_per_s: the rate that is tried first.
        tolerance: share of the lowest rate that failed, within which the highest one that held ends the search.
        step_limit_s: seconds of one step at most.
    """

    bound: Bound
    start_per_s: float
    tolerance: float = 0.1
    step_limit_s: float = 60.0


def lowest_rate(search: Search) -> float:
    """The lowest rate at which the percentile is supported within the longest step."""
    return LEAST_TIMES * minimum_queries(search.bound.share) / search.step_limit_s


def step_seconds(search: Search, rate_per_s: float) -> float:
    """How long a rate is driven so that the percentile is supported."""
    needed = minimum_queries(search.bound.share)
    return min(max(TIMES_MINIMUM * needed / rate_per_s, STEP_S), search.step_limit_s)


def find_capacity(
    trial: Callable[[float, float], ClientReport],
    search: Search,
    *,
    phones: int = 1,
    report: Callable[[str], None] = lambda _line: None,
    kept: Callable[[Capacity], None] | None = None,
) -> Capacity:
    """Double or halve until one rate holds and one does not, then halve what is between.

    Args:
        trial: drives at a rate for so many seconds, with intended send times.
        search: what, from where, how near.
        phones: that call together.
        report: takes a line for each step.
        kept: takes what was found when it is interrupted, before the interruption is raised.

    Raises:
        ServingError: a trial's server is gone, or answers none.
        KeyboardInterrupt: it was interrupted.
    """
    steps: list[CapacityStep] = []

    def found(reason: str | None) -> Capacity:
        held = [step.rate_per_s for step in steps if step.held]
        failed = [step.rate_per_s for step in steps if not step.held]
        return Capacity(
            percentile=search.bound.name,
            bound_us=search.bound.limit_us,
            rate_per_s=max(held, default=None),
            fails_at_per_s=min(failed, default=None),
            tolerance=search.tolerance,
            steps=tuple(steps),
            phones=phones,
            reason=reason,
        )

    lowest = lowest_rate(search)
    low, high, rate = 0.0, float("inf"), max(search.start_per_s, lowest)
    try:
        while len(steps) < MOST_STEPS:
            step = _step(rate, trial(rate, step_seconds(search, rate)), search.bound)
            steps.append(step)
            report(_told(step, search.bound))
            low, high = (max(low, rate), high) if step.held else (low, min(high, rate))
            if low and high < float("inf"):
                if high - low <= search.tolerance * high:
                    return found(None)
                rate = (low + high) / 2
            elif step.held:
                rate = 2 * rate
            elif rate <= lowest:
                limit = f"within {search.step_limit_s:g} s, the longest step"
                return found(f"below {rate:.3g}/s {search.bound.name} is not supported {limit}")
            else:
                rate = max(rate / 2, lowest)
    except KeyboardInterrupt:
        if kept is not None and steps:
            kept(found("it was interrupted"))
        raise
    return found(f"ended after {MOST_STEPS} steps")


def _step(rate_per_s: float, report: ClientReport, bound: Bound) -> CapacityStep:
    ascending = sorted(report.latency_us)
    estimate = percentile(ascending, bound.share)
    value = estimate.value_us
    achieved = len(ascending) / report.seconds
    return CapacityStep(
        rate_per_s=round(rate_per_s, 4),
        answered=len(ascending),
        errors=report.errors,
        percentile=estimate,
        median_us=round(ascending[len(ascending) // 2], 3),
        held=value is not None and value <= bound.limit_us and not report.errors and achieved >= ACHIEVED * rate_per_s,
        achieved_per_s=round(achieved, 3),
    )


def _told(step: CapacityStep, bound: Bound) -> str:
    value = step.percentile.value_us
    what = "not supported" if value is None else f"≤ {value / 1000:.3g} ms"
    errors = f", {step.errors} errors" if step.errors else ""
    return f"{step.rate_per_s:.4g}/s: {bound.name} {what}{errors}, {'held' if step.held else 'not held'}"
