"""Intervals of paired differences, held against simulations and other people's libraries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import xlogy

from edgeproof.metrics.deciding import samples_to_decide
from edgeproof.metrics.intervals import bootstrap_interval, draw_counts, mcnemar, tango

DRAWS = 2000
NOMINAL = (0.93, 0.97)


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (1, 0), (3, 9), (5, 5), (40, 12), (0, 17), (200, 260)])
def test_mcnemar_is_the_exact_sign_test(lost: int, gained: int) -> None:
    expected = stats.binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert mcnemar(lost, gained) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("count", "lost", "gained"),
    [(100, 0.05, 0.02), (100, 0.1, 0.05), (360, 0.01, 0.01), (360, 0.05, 0.02), (1000, 0.02, 0)],
)
def test_the_score_interval_covers_what_it_says(count: int, lost: float, gained: float) -> None:
    source = np.random.default_rng(1)
    seen: dict[tuple[int, int], tuple[float, float]] = {}
    covered = 0
    for first, second, _ in source.multinomial(count, [lost, gained, 1 - lost - gained], size=DRAWS).tolist():
        low, high = seen.setdefault((first, second), tango(first, second, count))
        covered += low <= lost - gained <= high
    assert NOMINAL[0] <= covered / DRAWS <= NOMINAL[1]


def test_the_score_interval_has_a_width_where_nothing_differs() -> None:
    low, high = tango(0, 0, 360)
    assert high == pytest.approx(-low)
    assert high == pytest.approx(1.96**2 / (360 + 1.96**2), rel=1e-3)
    assert tango(5, 2, 100) == pytest.approx(tuple(-end for end in reversed(tango(2, 5, 100))))


@pytest.mark.parametrize(("lost", "gained", "count"), [(1, 0, 44), (16, 2, 44), (9, 2, 30), (3, 7, 500)])
def test_the_ends_of_the_score_interval_are_as_many_standard_errors_away(lost: int, gained: int, count: int) -> None:
    """The statistic with its restricted maximum-likelihood estimate found by a numerical search, not by its formula."""
    for end in tango(lost, gained, count):

        def unlikely(share: float, end: float = end) -> float:
            first, second = share + end, share
            return -float(xlogy(lost, first) + xlogy(gained, second) + xlogy(count - lost - gained, 1 - first - second))

        bounds = (max(0.0, -end) + 1e-12, (1 - end) / 2 - 1e-12)
        share = optimize.minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        error = np.sqrt(count * (2 * share + end - end**2))
        assert abs(lost - gained - count * end) / error == pytest.approx(stats.norm.ppf(0.975), rel=1e-4)


@pytest.mark.parametrize("count", [50, 100, 360])
def test_the_bootstrap_covers_what_it_says(count: int) -> None:
    """Of what is lost in mean absolute error: errors of a model, and of one that is a little worse."""
    source = np.random.default_rng(2)

    def differences(samples: int) -> np.ndarray:
        first = np.abs(source.standard_normal(samples))
        return np.asarray(np.abs(1.02 * first + 0.1 * source.standard_normal(samples)) - first)

    true = float(differences(4_000_000).mean())
    counts = draw_counts(count, DRAWS)
    covered = 0
    for _ in range(DRAWS):
        found = bootstrap_interval(counts @ differences(count) / count, count)
        assert found is not None
        covered += found[0] <= true <= found[1]
    assert NOMINAL[0] <= covered / DRAWS <= NOMINAL[1]


def test_draws_are_the_same_each_time_and_of_all_samples() -> None:
    counts = draw_counts(30, 200)
    assert (counts.sum(axis=1) == 30).all()
    np.testing.assert_array_equal(counts, draw_counts(30, 200))


def test_a_bootstrap_without_enough_draws_is_none() -> None:
    values = np.linspace(-1, 1, 100)
    values[:10] = np.nan
    assert bootstrap_interval(values, 50) is None
    assert bootstrap_interval(np.zeros(100), 1) is None
    assert bootstrap_interval(np.zeros(100), 50) == (0.0, 0.0)


def test_how_many_samples_would_decide() -> None:
    """The interval's end comes to the limit with their square root."""
    assert samples_to_decide(0.3, -0.9, 1.5, 360, 1.0) == pytest.approx(360 * (1.2 / 0.7) ** 2, abs=1)
    assert samples_to_decide(0.0, -1.056, 1.056, 360, 1.0, alike=True) == 381
    assert samples_to_decide(1.5, 0.6, 2.4, 360, 1.0) == pytest.approx(360 * (0.9 / 0.5) ** 2, abs=1)
    assert samples_to_decide(1.0, 0.0, 2.0, 360, 1.0) is None
    assert samples_to_decide(0.999, 0.0, 2.0, 360, 1.0) is None
