"""Quantized values, against sums in whole numbers and what coremltools computes of constants."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call, inferred

from edgeproof.errors import ArtifactError

Few = settings(max_examples=30, deadline=None, derandomize=True)
Fewer = settings(max_examples=10, deadline=None, derandomize=True)
SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
FLOATS = st.sampled_from([np.float32, np.float16])
WHOLES = st.sampled_from([np.int8, np.uint8])
SEEDS = st.integers(0, 10_000)


def parameters(shape: tuple[int, ...], wide: Any, whole: Any, seed: int) -> dict[str, Any]:
    """Scale, zero point and axis: scalars, vectors, or no zero point."""
    generator = np.random.default_rng(seed)
    axis = int(generator.integers(-len(shape), len(shape)))
    size = (shape[axis],) if seed % 2 else ()
    span = np.iinfo(whole)
    scale = generator.choice([0.125, 0.25, 0.5, 1.0, 2.0], size).astype(wide)
    zero = generator.integers(span.min, span.max, size, endpoint=True).astype(whole)
    given_: dict[str, Any] = {"scale": np.asarray(scale)}
    if seed % 3:
        given_["zero_point"] = np.asarray(zero)
    if size:
        given_["axis"] = axis
    return given_


def at(value: Any, axis: int | None, place: tuple[int, ...]) -> Fraction:
    """The parameter that counts at a place."""
    return Fraction(0) if value is None else Fraction(float(value if axis is None else value[place[axis]]))


@given(SIZES, FLOATS, WHOLES, SEEDS)
@Few
def test_values_become_the_nearest_step(shape: tuple[int, ...], wide: Any, whole: Any, seed: int) -> None:
    given_ = parameters(shape, wide, whole, seed)
    x = (np.random.default_rng(seed + 1).integers(-900, 900, shape) / 4).astype(wide)
    quantized = call("quantize", input=x, output_dtype=np.dtype(whole).name, **given_)
    assert quantized.dtype == whole
    axis, span = given_.get("axis"), np.iinfo(whole)
    for place in np.ndindex(shape):
        step = Fraction(float(x[place])) / at(given_["scale"], axis, place)
        expected = round(step) + at(given_.get("zero_point"), axis, place)
        assert quantized[place] == min(max(expected, span.min), span.max)


@given(SIZES, FLOATS, WHOLES, SEEDS)
@Few
def test_steps_become_values(shape: tuple[int, ...], wide: Any, whole: Any, seed: int) -> None:
    given_ = parameters(shape, wide, whole, seed)
    span = np.iinfo(whole)
    x = np.random.default_rng(seed + 1).integers(span.min, span.max, shape, endpoint=True).astype(whole)
    values = call("dequantize", input=x, **given_)
    assert values.dtype == wide
    axis = given_.get("axis")
    for place in np.ndindex(shape):
        expected = (int(x[place]) - at(given_.get("zero_point"), axis, place)) * at(given_["scale"], axis, place)
        assert values[place] == expected


@given(SIZES, WHOLES, SEEDS)
@Fewer
def test_constants_are_quantized_as_coremltools_does(shape: tuple[int, ...], whole: Any, seed: int) -> None:
    given_ = parameters(shape, np.float32, whole, seed)
    x = np.random.default_rng(seed).normal(0, 40, shape).astype(np.float32)
    known = inferred("quantize", input=x, output_dtype=np.dtype(whole).name, **given_)
    np.testing.assert_array_equal(call("quantize", input=x, output_dtype=np.dtype(whole).name, **given_), known)


def test_what_is_no_number_or_too_large_is_kept_within_the_dtype() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30], np.float32)
    for zero, expected in ((0, [0, 127, -128, 127, -128]), (-3, [0, 127, -128, 127, -128])):
        given_ = call("quantize", input=x, scale=np.float32(1), output_dtype="int8", zero_point=np.array(zero, np.int8))
        np.testing.assert_array_equal(given_, expected)


def test_parameters_that_do_not_fit_are_told() -> None:
    x, scale = np.ones((2, 3), np.float32), np.ones((), np.float32)
    with pytest.raises(ArtifactError, match="not known"):
        call("quantize", input=x, scale=scale, output_dtype="int16")
    with pytest.raises(ArtifactError, match="zero point is uint8"):
        call("quantize", input=x, scale=scale, output_dtype="int8", zero_point=np.zeros((), np.uint8))
    with pytest.raises(ArtifactError, match="needs an axis"):
        call("dequantize", input=x.astype(np.int8), scale=np.ones(3, np.float32))
    with pytest.raises(ArtifactError, match="along the axis 2"):
        call("dequantize", input=x.astype(np.int8), scale=np.ones(3, np.float32), axis=2)
