"""What a candidate loses of the task score, in words: in full for its section, in short for a sentence.

Of a metric where less is better nothing is lost or gained: its value is higher or lower.
"""

from __future__ import annotations

from edgeproof.documents.task import SHARE, MetricSpec
from edgeproof.verdict.wording import figure

__all__ = ["beyond_words", "drop_in_short", "drop_words", "head", "is_nothing", "limit_words"]

NOTHING = 1e-3
"""Of the limit: what lies below is no loss that anyone would read."""


def unit_of(metric: MetricSpec, value: float = 2) -> str:
    """The unit of a drop, with a space before it."""
    if metric.unit == SHARE:
        return " point" if value == 1 else " points"
    return f" {metric.unit}" if metric.unit else ""


def magnitude(metric: MetricSpec, value: float) -> str:
    """With two decimals where it is in points."""
    return f"{value:.2f}" if metric.unit == SHARE else figure(value)


def limit_words(metric: MetricSpec, limit: float) -> str:
    """``1 point``, ``0.44 mm``."""
    return f"{magnitude(metric, limit) if limit % 1 else f'{limit:g}'}{unit_of(metric, limit)}"


def drop_words(metric: MetricSpec, drop: float, low: float | None, high: float | None, limit: float = 0.0) -> str:
    """``0.28 points of accuracy lost (95 %: −0.9 to +1.4)``, ``no accuracy lost``, ``mae 0.4 mm higher``.

    Args:
        metric: of which it is.
        drop: in its unit, points for a share, above zero where it is worse.
        low: end of its interval.
        high: the other end.
        limit: that it is held to; what is far below it is nothing.
    """
    said = head(metric, drop, limit)
    if low is None or high is None or all(is_nothing(metric, value, limit) for value in (drop, low, high)):
        return said
    return f"{said} (95 %: {signed(metric, low)} to {signed(metric, high)})"


def head(metric: MetricSpec, drop: float, limit: float) -> str:
    """The drop alone, without its interval."""
    much = f"{magnitude(metric, abs(drop))}{unit_of(metric)}"
    if metric.better == "lower":
        changed = f"{much} {'higher' if drop > 0 else 'lower'}"
        return f"{metric.name} {'unchanged' if is_nothing(metric, drop, limit) else changed}"
    if is_nothing(metric, drop, limit):
        return f"no {metric.name} lost"
    return f"{much} of {metric.name} {'lost' if drop > 0 else 'gained'}"


def is_nothing(metric: MetricSpec, value: float, limit: float) -> bool:
    """Whether it is too small to be written."""
    return abs(value) < (0.005 if metric.unit == SHARE else max(NOTHING * limit, 1e-12))


def signed(metric: MetricSpec, value: float) -> str:
    """With its sign, a minus as such; what is lost is above zero."""
    return f"{'−' if value < 0 else '+'}{magnitude(metric, abs(value))}"


def drop_in_short(metric: MetricSpec, drop: float, count: int, limit: float, *, decided: bool | None) -> str:
    """``no accuracy lost on 360 samples, too few to exclude a loss of 1 point``.

    Args:
        metric: of which it is.
        drop: as for ``drop_words``.
        count: of samples.
        limit: that it is held to.
        decided: whether the interval excludes more than the limit; None where there is none to ask.
    """
    said = f"{head(metric, drop, limit)} on {count:,} samples"
    if decided is None:
        return f"{said}, limit {limit_words(metric, limit)}"
    most = limit_words(metric, limit)
    much = f"{most} more" if metric.better == "lower" else f"a loss of {most}"
    return f"{said}, {'enough' if decided else 'too few'} to exclude {much}"


def beyond_words(metric: MetricSpec, limit: float) -> str:
    """What is more than the limit: ``with more than 1 point of accuracy lost``."""
    most = limit_words(metric, limit)
    if metric.better == "lower":
        return f"with {metric.name} more than {most} higher"
    return f"with more than {most} of {metric.name} lost"
