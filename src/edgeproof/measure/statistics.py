"""From raw latencies to figures: which percentiles a count supports, and their conservative estimates.

The rule is the early stopping of MLPerf LoadGen (``loadgen/early_stopping.cc``, ``results.cc`` in mlcommons/inference),
tolerance 0, confidence 99 %. It knows nothing of where the values come from.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence

from edgeproof.documents.latency import ColdStart, Percentile, Steady
from edgeproof.errors import EdgeProofError

__all__ = [
    "CONFIDENCE",
    "chance_of_at_most",
    "cold_start",
    "minimum_queries",
    "overlatency_allowed",
    "percentile",
    "steady",
]

CONFIDENCE = 0.99


def chance_of_at_most(overlatency: int, queries: int, share: float) -> float:
    """P[X <= overlatency] of a binomial X with ``queries`` trials, each above the bound with chance ``1 - share``.

    It equals the regularised incomplete beta function I_share(queries - overlatency, overlatency + 1), the form in
    which LoadGen writes it (DLMF 8.17.5). Summed term by term from 12 standard deviations below the mean, where
    the first term does not underflow and less than 1e-30 is left out.
    """
    if overlatency >= queries:
        return 1.0
    if overlatency < 0:
        return 0.0
    above = 1.0 - share
    spread = math.sqrt(queries * above * share)
    first = max(0, int(queries * above - 12.0 * spread))
    if overlatency < first:
        return 0.0
    log_term = (
        math.lgamma(queries + 1)
        - math.lgamma(first + 1)
        - math.lgamma(queries - first + 1)
        + first * math.log(above)
        + (queries - first) * math.log(share)
    )
    term = math.exp(log_term)
    total = term
    odds = above / share
    for count in range(first, overlatency):
        term *= (queries - count) / (count + 1) * odds
        total += term
    return min(1.0, total)


@functools.cache
def minimum_queries(share: float, overlatency: int = 1) -> int:
    """The fewest queries of which ``overlatency`` may lie above the ``share`` percentile at 99 % confidence.

    With ``overlatency`` 1 it is what a percentile needs before it is printed: 11 queries for p50, 64 for p90, 130 for
    p95, 662 for p99, 6,636 for p99.9.
    """
    low, high = overlatency, max(2 * overlatency, 2)
    while chance_of_at_most(overlatency, high, share) > 1.0 - CONFIDENCE:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if chance_of_at_most(overlatency, middle, share) > 1.0 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


@functools.lru_cache(maxsize=256)
def overlatency_allowed(queries: int, share: float) -> int:
    """The largest t for which ``queries >= minimum_queries(share, t)``; 0 when even t = 1 has too few."""
    low, high = 0, queries
    while high - low > 1:
        middle = (low + high) // 2
        if chance_of_at_most(middle, queries, share) > 1.0 - CONFIDENCE:
            high = middle
        else:
            low = middle
    return low


def percentile(ascending: Sequence[float], share: float) -> Percentile:
    """The early-stopping estimate of a percentile: an upper bound of the true one with 99 % confidence.

    With t queries allowed above it, the t - 1 highest are discarded and the highest that is left is the estimate.

    Args:
        ascending: latencies in µs, sorted.
        share: 0.9 for p90.

    Returns:
        the estimate, or None with how many more queries it needs.
    """
    queries = len(ascending)
    allowed = overlatency_allowed(queries, share)
    if allowed < 1:
        return Percentile(value_us=None, needs_more=minimum_queries(share) - queries)
    return Percentile(value_us=round(float(ascending[queries - allowed]), 3))


def steady(values_us: Sequence[float], *, warmup: int, raw: str) -> Steady:
    """The steady state in figures.

    Args:
        values_us: latencies in µs after the warm-up, in any order.
        warmup: how many calls came before and are not in the values.
        raw: the file that keeps the values.

    Raises:
        EdgeProofError: there are no values, or one is not a finite number above or equal to zero.
    """
    if not values_us:
        raise EdgeProofError("no latency was measured: there are no values to summarise")
    if not all(math.isfinite(value) and value >= 0 for value in values_us):
        raise EdgeProofError("a latency is negative or not a finite number: the clock or the device cannot be trusted")
    ascending = sorted(values_us)
    return Steady(
        count=len(ascending),
        warmup=warmup,
        min_us=round(ascending[0], 3),
        mean_us=round(math.fsum(ascending) / len(ascending), 3),
        max_us=round(ascending[-1], 3),
        median_us=round(statistics.median(ascending), 3),
        p50=percentile(ascending, 0.50),
        p90=percentile(ascending, 0.90),
        p95=percentile(ascending, 0.95),
        p99=percentile(ascending, 0.99),
        raw=raw,
    )


def cold_start(
    exec_to_first_ms: Sequence[float], load_ms: Sequence[float], first_inference_us: Sequence[float]
) -> ColdStart | None:
    """Cold starts of fresh processes, one value a process; None without any."""
    if not exec_to_first_ms:
        return None
    return ColdStart(
        processes=len(exec_to_first_ms),
        exec_to_first_ms=tuple(round(value, 3) for value in exec_to_first_ms),
        load_ms=tuple(round(value, 3) for value in load_ms),
        first_inference_us=tuple(round(value, 3) for value in first_inference_us),
        median_ms=round(statistics.median(exec_to_first_ms), 3),
    )
