"""One rule for what agrees: against the scale of what is expected, and never where NaN is."""

from __future__ import annotations

import math

import pytest
import torch

from edgeproof.model.agreement import gap

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("mine", "expected", "max_abs", "scale"),
    [
        ([1.0, 2.5], [1.0, 2.0], 0.5, 2.0),
        ([0.25], [0.0], 0.25, 1.0),
        ([INF, 3.0], [INF, 4.0], 1.0, 4.0),
        ([-INF], [INF], INF, 1.0),
        ([1.0], [INF], INF, 1.0),
        ([], [], 0.0, 1.0),
    ],
)
def test_difference_and_scale(mine: list[float], expected: list[float], max_abs: float, scale: float) -> None:
    found = gap(torch.tensor(mine), torch.tensor(expected))
    assert (found.max_abs, found.scale) == (max_abs, scale)
    assert found.within(max_abs / scale)
    assert max_abs == 0 or not found.within(0.9 * min(max_abs, 1e9) / scale)


@pytest.mark.parametrize(("mine", "expected"), [(NAN, 1.0), (1.0, NAN), (NAN, NAN)])
def test_nan_never_agrees(mine: float, expected: float) -> None:
    found = gap(torch.tensor([mine, 0.0]), torch.tensor([expected, 0.0]))
    assert math.isnan(found.max_abs)
    assert not found.within(INF)


def test_truth_values_and_whole_numbers() -> None:
    assert gap(torch.tensor([True, False]), torch.tensor([True, True])).max_abs == 1
    assert gap(torch.tensor([2**40]), torch.tensor([2**40 + 1])).max_abs == 1
