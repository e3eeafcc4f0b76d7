"""Figures as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.report.quantities import byte_size, difference, percent, scaled, significant, written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1.2345, "1.23"),
        (0.0424, "0.0424"),
        (33.0, "33.0"),
        (402, "402"),
        (1721, "1,721"),
        (4.4e-7, "4.40e-7"),
        (2.5e7, "2.50e7"),
        (-0.5, "-0.500"),
    ],
)
def test_significant(value, text):
    assert significant(value) == text


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_significant_keeps_three_digits(value):
    assert float(significant(value).replace(",", "")) == pytest.approx(value, rel=0.006)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (9.4e-7, "9.4e-7"), (0.083, "0.083"), (0.19, "0.19"), (12345.0, "1.2e4")]
)
def test_difference(value, text):
    assert difference(value) == text


def test_percent_is_never_rounded_up_to_100():
    assert percent(1.0) == "100.0"
    assert percent(0.99999) == "> 99.9"
    assert percent(0.9722) == "97.2"


def test_units_follow_the_middle_value():
    for unit, values, head, text in (
        ("µs", [1.0, 900.0, 5e6], "µs", "1,500"),
        ("µs", [1500.0], "ms", "1.50"),
        ("µs", [], "ms", "1.50"),
        ("bytes", [10, 20_000, 10**9], "kB", "1.50"),
        ("share", [], "%", written("share", 1500)),
        ("points", [], "points", "1500.00"),
    ):
        found, show = scaled(unit, values)
        assert (found, show(1500)) == (head, text)
    assert byte_size(999) == "999 B"
    assert byte_size(48_210) == "48.2 kB"
