"""Differences against numpy by hand; NaN and Inf; spikes; the worst over outputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeproof.differences.outputs import NotFinite, compare_output, compare_outputs, worst_of
from edgeproof.documents.signature import TensorSpec
from edgeproof.documents.validation import Differences

SHAPES = hnp.array_shapes(min_dims=2, max_dims=4, max_side=5)
FLOATS = st.floats(-1e6, 1e6, width=32)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(SHAPES)
    return tuple(draw(hnp.arrays(np.float32, shape, elements=FLOATS)) for _ in range(2))  # type: ignore[return-value]


def real(reference: np.ndarray, candidate: np.ndarray) -> Differences:
    return compare_output("y", "real", np.asarray(reference), np.asarray(candidate))


def test_every_figure_by_hand() -> None:
    reference = np.array([[[3.0, 4.0]], [[0.0, 2.0]]])
    candidate = np.array([[[3.0, 4.5]], [[1.0, 0.5]]])
    found = real(reference, candidate)
    assert found.max_abs == 1.5
    first, second = 0.5, math.hypot(1, 1.5)
    assert found.l2_mean == pytest.approx((first + second) / 2)
    assert found.l2_max == pytest.approx(second)
    assert found.relative_l2 == pytest.approx(math.sqrt((0.25 + 1 + 2.25) / (9 + 16 + 4)))
    assert found.cosine_min == pytest.approx(1.0 / (2 * math.hypot(1, 0.5)))
    assert found.snr_db == pytest.approx(10 * math.log10(29 / 3.5))
    assert found.argmax_agreement == 0.5
    assert found.smallest_passing_tolerance == found.relative_l2
    assert found.spikes is None


@given(pairs())
def test_the_formulas_hold_on_any_values(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, candidate = pair
    found = real(reference, candidate)
    r, c = (side.reshape(len(side), -1).astype(np.float64) for side in pair)
    norms = np.linalg.norm(c - r, axis=1)
    assert found.max_abs == np.abs(c - r).max()
    assert found.l2_mean == pytest.approx(norms.mean())
    assert found.l2_max == pytest.approx(norms.max())
    assert found.relative_l2 is not None
    if np.linalg.norm(r) > 0:
        assert found.relative_l2 == pytest.approx(np.linalg.norm(c - r) / np.linalg.norm(r))
    assert found.cosine_min is not None
    assert -1 <= found.cosine_min <= 1
    assert (found.snr_db is None) == (found.max_abs == 0 or not r.any())


@given(hnp.arrays(np.float32, SHAPES, elements=FLOATS))
def test_the_same_is_no_difference(values: np.ndarray) -> None:
    found = real(values, values.copy())
    assert (found.max_abs, found.l2_mean, found.l2_max, found.relative_l2) == (0, 0, 0, 0)
    assert found.smallest_passing_tolerance == 0
    assert found.cosine_min == pytest.approx(1)
    assert found.snr_db is None
    assert found.argmax_agreement in (None, 1)


@given(pairs(), st.floats(0.125, 8))
def test_relative_figures_do_not_depend_on_the_scale(pair: tuple[np.ndarray, np.ndarray], scale: float) -> None:
    reference, candidate = (side.astype(np.float64) for side in pair)
    assume(np.linalg.norm(reference) > 1e-3)
    plain, scaled = real(reference, candidate), real(reference * scale, candidate * scale)
    assert plain.relative_l2 == pytest.approx(scaled.relative_l2)
    assert plain.max_abs is not None
    assert scaled.max_abs == pytest.approx(plain.max_abs * scale)


def test_a_reference_of_zeros() -> None:
    zeros = np.zeros((2, 1, 3))
    same, other = real(zeros, zeros), real(zeros, zeros + 0.5)
    assert (same.relative_l2, same.cosine_min, same.snr_db) == (0, 1, None)
    assert other.relative_l2 == pytest.approx(math.sqrt(6 * 0.25))
    assert (other.cosine_min, other.snr_db) == (0, None)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_no_figure(value: float) -> None:
    reference = np.ones((4, 1, 3))
    broken = reference.copy()
    broken[2, 0, 1] = value
    broken[3] = value
    with pytest.raises(NotFinite, match="y: 4 values are NaN or Inf, first in sample 2"):
        real(reference, broken)
    with pytest.raises(NotFinite, match="the model gives NaN or Inf and the candidate another value"):
        real(broken, reference)
    both = real(broken, broken.copy())
    assert both.max_abs == 0
    assert both.relative_l2 == 0


def test_the_other_infinity_is_another_value() -> None:
    reference = np.array([[np.inf, 1.0]])
    for other in (-np.inf, np.nan, 3.0):
        with pytest.raises(NotFinite):
            real(reference, np.array([[other, 1.0]]))


def test_large_values_do_not_overflow() -> None:
    huge = np.full((2, 4), 3e38, np.float32)
    found = real(huge, -huge)
    assert found.max_abs == pytest.approx(6e38)
    assert found.relative_l2 == pytest.approx(2)
    assert found.cosine_min == pytest.approx(-1)
    integers = np.array([[2**40, -(2**40)]])
    assert real(integers, integers + 1).max_abs == 1
    assert real(np.array([[True, False]]), np.array([[True, True]])).max_abs == 1
    small = np.array([[200, 3]], np.uint8)
    assert real(small, np.array([[3, 200]], np.uint8)).max_abs == 197


def test_shapes_that_differ_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"the candidate gave \[1, 4\], the model \[1, 3\]"):
        real(np.zeros((2, 1, 3)), np.zeros((2, 1, 4)))


def test_one_value_a_sample_has_no_argmax() -> None:
    assert real(np.zeros((5, 1, 1)), np.ones((5, 1, 1))).argmax_agreement is None
    assert real(np.zeros(5), np.ones(5)).argmax_agreement is None
    assert real(np.eye(3)[:, None], np.eye(3)[[0, 1, 1]][:, None]).argmax_agreement == pytest.approx(2 / 3)


def test_spikes_are_judged_by_their_agreement() -> None:
    reference = np.array([[[0.0, 3, 5, 1]], [[2, 2, 2, 2]]])
    candidate = np.array([[[0.0, 3, 4, 1]], [[2, 4, 2, 2.2]]])
    found = compare_output("spikes", "spikes", reference, candidate)
    assert found.spikes is not None
    assert found.spikes.agreement == 6 / 8
    assert found.spikes.count_max_abs == 2
    assert found.spikes.count_mean_abs == pytest.approx(3.2 / 8)
    assert found.smallest_passing_tolerance == 0.25
    assert found.max_abs == 2


SPECS = [
    TensorSpec(name="a", dtype="float32", shape=(1, 3)),
    TensorSpec(name="b", dtype="float32", shape=(1, 2), kind="spikes"),
]


def test_outputs_are_compared_in_the_signature_s_order_and_none_may_miss() -> None:
    reference = {"b": np.ones((4, 1, 2)), "a": np.ones((4, 1, 3))}
    found = compare_outputs(SPECS, reference, reference)
    assert [(output.name, output.kind) for output in found] == [("a", "real"), ("b", "spikes")]
    with pytest.raises(ValueError, match="gives no a, b; it gives y"):
        compare_outputs(SPECS, reference, {"y": np.ones(1)})


def test_the_worst_is_taken_figure_by_figure() -> None:
    first = compare_output("a", "real", np.array([[1.0, 2.0]]), np.array([[1.0, 2.5]]))
    second = compare_output("b", "spikes", np.array([[4.0, 0.0], [0.0, 4.0]]), np.array([[4.0, 1.0], [0.0, 4.0]]))
    worst = worst_of([first, second])
    assert (worst.name, worst.kind) == (None, "spikes")
    assert worst.max_abs == 1
    assert worst.cosine_min == min(first.cosine_min or 1, second.cosine_min or 1)
    assert worst.snr_db == min(first.snr_db or 99, second.snr_db or 99)
    assert worst.smallest_passing_tolerance == 0.25
    assert worst.spikes == second.spikes
    assert worst_of([first]).kind == "real"


def test_the_classes_of_an_image_stand_behind_the_batch() -> None:
    source = np.random.default_rng(3)
    reference = source.standard_normal((6, 1, 4, 5, 7))
    candidate = reference.copy()
    candidate[:2, 0, :, 0, 0] = -candidate[:2, 0, :, 0, 0]  # another class at one pixel of two images
    same = (reference.argmax(2) == candidate.argmax(2)).mean()
    assert same == 1 - 2 / (6 * 5 * 7)
    assert real(reference, candidate).argmax_agreement == pytest.approx(same)
    assert real(reference[:, :, :1], candidate[:, :, :1]).argmax_agreement is None  # a mask has no classes
    tokens = reference[:, :, 0]  # [batch, elements, classes]
    assert real(tokens, -tokens).argmax_agreement == pytest.approx((tokens.argmax(-1) == (-tokens).argmax(-1)).mean())
