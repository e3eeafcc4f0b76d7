"""Random numbers: the same of a seed, and spread as they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call

from edgeproof.errors import ArtifactError

Few = settings(max_examples=20, deadline=None, derandomize=True)
SIZES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
FLOATS = st.sampled_from([np.float32, np.float16])
PARAMETERS = {"random_bernoulli": ("prob",), "random_normal": ("mean", "stddev"), "random_uniform": ("low", "high")}
MANY = 20_000


@pytest.mark.parametrize("name", PARAMETERS)
@given(SIZES, FLOATS, st.integers(0, 2**31 - 1))
@Few
def test_a_seed_gives_the_same_numbers_again(name: str, shape: tuple[int, ...], dtype: Any, seed: int) -> None:
    values = {
        parameter: np.array(number, dtype) for parameter, number in zip(PARAMETERS[name], (0.5, 0.75), strict=False)
    }
    first = call(name, shape=np.array(shape, np.int32), seed=seed, **values)
    second = call(name, shape=np.array(shape, np.int32), seed=seed, **values)
    assert first.dtype == dtype
    assert first.shape == shape
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", PARAMETERS)
def test_other_seeds_give_other_numbers(name: str) -> None:
    given_ = [call(name, shape=(64,), seed=seed).tolist() for seed in (1, 2, -1, -1)]
    assert len({tuple(drawn) for drawn in given_}) == 4
    with pytest.raises(ArtifactError, match="the limit is"):
        call(name, shape=(2**20, 2**20))


@given(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), FLOATS)
@Few
def test_ones_are_as_likely_as_asked_for(prob: float, dtype: Any) -> None:
    given_ = call("random_bernoulli", shape=(MANY,), prob=np.array(prob, dtype), seed=3)
    assert set(given_.tolist()) <= {0.0, 1.0}
    assert abs(given_.astype(np.float64).mean() - prob) < 0.02


@given(st.sampled_from([-3.0, 0.0, 10.0]), st.sampled_from([0.5, 2.0]), FLOATS)
@Few
def test_normal_numbers_have_mean_and_deviation(mean: float, stddev: float, dtype: Any) -> None:
    given_ = call(
        "random_normal", shape=(MANY,), mean=np.array(mean, dtype), stddev=np.array(stddev, dtype), seed=5
    ).astype(np.float64)
    assert abs(given_.mean() - mean) < 0.05 * stddev
    assert abs(given_.std() - stddev) < 0.05 * stddev
    assert abs((np.abs(given_ - mean) < stddev).mean() - 0.6827) < 0.02


@given(st.sampled_from([-3.0, 0.0, 10.0]), st.sampled_from([0.25, 0.5, 2.0]), FLOATS)
@Few
def test_uniform_numbers_lie_between_their_ends(low: float, span: float, dtype: Any) -> None:
    given_ = call("random_uniform", shape=(MANY,), low=np.array(low, dtype), high=np.array(low + span, dtype), seed=7)
    assert given_.min() >= low
    assert given_.max() < low + span
    counts, _ = np.histogram(given_.astype(np.float64), 4, (low, low + span))
    assert np.abs(counts / MANY - 0.25).max() < 0.02


def test_ends_of_one_value_give_that_value() -> None:
    two = np.float32(2)
    assert (call("random_uniform", shape=(5,), low=np.asarray(two), high=np.asarray(two)) == 2).all()
    with pytest.raises(ArtifactError, match="smaller"):
        call("random_uniform", shape=(5,), low=np.asarray(two), high=np.float32(1))


@pytest.mark.parametrize("mode", ["logits", "probs"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_classes_are_drawn_as_often_as_they_are_likely(mode: str, dtype: Any) -> None:
    probabilities = np.array([[0.0, 0.5, 0.25, 0.25], [0.125, 0.125, 0.75, 0.0]])
    with np.errstate(divide="ignore"):
        x = (np.log(probabilities) if mode == "logits" else probabilities).astype(dtype)
    given_ = call("random_categorical", x=x, mode=mode, size=MANY, seed=11)
    assert given_.dtype == dtype
    assert given_.shape == (2, MANY)
    for row, expected in zip(given_, probabilities, strict=True):
        counts = np.array([(row == number).mean(dtype=np.float64) for number in range(4)])
        assert np.abs(counts - expected).max() < 0.02
    np.testing.assert_array_equal(given_, call("random_categorical", x=x, mode=mode, size=MANY, seed=11))


def test_another_mode_is_told() -> None:
    with pytest.raises(ArtifactError, match="not known"):
        call("random_categorical", x=np.ones((1, 2), np.float32), mode="odds")
