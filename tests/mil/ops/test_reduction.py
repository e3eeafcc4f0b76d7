"""Reductions, against what coremltools computes of constants and against sums that lose nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tests.mil.ops.calling import call, inferred

from edgeproof.errors import ArtifactError

Few = settings(max_examples=25, deadline=None, derandomize=True)
HALF = np.float16
SHAPES = array_shapes(min_dims=1, max_dims=4, max_side=4)

ROWS: dict[str, Callable[[list[float]], float]] = {
    "reduce_l1_norm": lambda row: math.fsum(abs(x) for x in row),
    "reduce_l2_norm": lambda row: math.sqrt(math.fsum(x * x for x in row)),
    "reduce_log_sum": lambda row: math.log(math.fsum(row)),
    "reduce_log_sum_exp": lambda row: math.log(math.fsum(math.exp(x) for x in row)),
    "reduce_max": max,
    "reduce_mean": lambda row: math.fsum(row) / len(row),
    "reduce_min": min,
    "reduce_prod": math.prod,
    "reduce_sum": math.fsum,
    "reduce_sum_square": lambda row: math.fsum(x * x for x in row),
}
"""Of the numbers that are reduced to one."""


def reduced(x: np.ndarray, axes: tuple[int, ...] | None, keep_dims: bool, function: Callable[..., float]) -> np.ndarray:
    """Row by row: every element that the kept dimensions name."""
    gone = set(range(x.ndim)) if axes is None else {axis % x.ndim for axis in axes}
    shape = tuple(1 if axis in gone else size for axis, size in enumerate(x.shape))
    result = np.empty(shape)
    for place in np.ndindex(shape):
        row = x[tuple(slice(None) if axis in gone else index for axis, index in enumerate(place))]
        result[place] = function(row.ravel().tolist())
    return result if keep_dims else result.reshape([size for axis, size in enumerate(x.shape) if axis not in gone])


def axes_of(x: np.ndarray) -> st.SearchStrategy[tuple[int, ...] | None]:
    axis_in_range = st.integers(-x.ndim, x.ndim - 1)
    return st.none() | st.lists(axis_in_range, min_size=1, max_size=x.ndim, unique_by=lambda axis: axis % x.ndim).map(
        tuple
    )


def parameters(axes: tuple[int, ...] | None, keep_dims: bool) -> dict[str, Any]:
    return {"keep_dims": keep_dims} | ({} if axes is None else {"axes": axes})


@pytest.mark.parametrize("name", ROWS)
@given(data=st.data(), keep_dims=st.booleans())
@Few
def test_over_any_axes(name: str, data: st.DataObject, keep_dims: bool) -> None:
    low = 0.125 if name == "reduce_log_sum" else -4
    x = data.draw(arrays(np.float32, SHAPES, elements=st.floats(low, 4, width=16)))
    axes = data.draw(axes_of(x))
    result = np.asarray(call(name, x=x, **parameters(axes, keep_dims)))
    assert result.dtype == np.float32
    expected = reduced(x, axes, keep_dims, ROWS[name])
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(result, inferred(name, x=x, **parameters(axes, keep_dims)), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", ROWS)
@given(data=st.data(), keep_dims=st.booleans())
@Few
def test_of_integers_integers(name: str, data: st.DataObject, keep_dims: bool) -> None:
    low = 1 if name == "reduce_log_sum" else -3
    shapes = array_shapes(min_dims=1, max_dims=3, max_side=3)
    x = data.draw(arrays(np.int32, shapes, elements=st.integers(low, 4)))
    axes = data.draw(axes_of(x))
    result = np.asarray(call(name, x=x, **parameters(axes, keep_dims)))
    assert result.dtype == np.int32

    def whole(row: list[float]) -> float:
        value = ROWS[name](row)
        close = round(value)
        exact = int(close if math.isclose(value, close, abs_tol=1e-12) else value)
        return (exact + 2**31) % 2**32 - 2**31

    np.testing.assert_array_equal(result, reduced(x, axes, keep_dims, whole))


@pytest.mark.parametrize("name", ROWS)
@given(data=st.data(), keep_dims=st.booleans())
@Few
def test_in_half_precision_half_precision(name: str, data: st.DataObject, keep_dims: bool) -> None:
    shapes = array_shapes(min_dims=1, max_dims=3, max_side=3)
    x = data.draw(arrays(HALF, shapes, elements=st.floats(0.5, 1.5, width=16)))
    axes = data.draw(axes_of(x))
    result = np.asarray(call(name, x=x, **parameters(axes, keep_dims)))
    assert result.dtype == HALF
    np.testing.assert_allclose(result, reduced(x, axes, keep_dims, ROWS[name]), rtol=2**-6, atol=2**-7)


def test_sums_of_halves_stop_growing_where_a_term_is_lost() -> None:
    x = np.ones(4096, HALF)
    assert call("reduce_sum", x=x) == 2048
    assert call("reduce_mean", x=x) == 0.5
    assert call("reduce_sum", x=x.astype(np.float32)) == 4096


def test_log_sum_exp_does_not_overflow_and_knows_infinity() -> None:
    x = np.array([[1000, 1000], [-np.inf, -np.inf], [np.inf, 0], [-1000, -1000]], np.float32)
    expected = [1000 + math.log(2), -np.inf, np.inf, -1000 + math.log(2)]
    np.testing.assert_allclose(call("reduce_log_sum_exp", x=x, axes=(1,)), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["reduce_argmax", "reduce_argmin"])
@given(data=st.data(), keep_dims=st.booleans())
@Few
def test_arguments_of_extremes(name: str, data: st.DataObject, keep_dims: bool) -> None:
    dtype = data.draw(st.sampled_from([np.float32, HALF, np.int32]))
    x = data.draw(arrays(dtype, SHAPES, elements=st.integers(-3, 3)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    extreme = max if name == "reduce_argmax" else min
    expected = reduced(x, (axis,), keep_dims, lambda row: row.index(extreme(row)))
    for system, output in (("iOS15", None), ("iOS17", None), ("iOS17", "int32"), ("iOS17", "uint16")):
        more = {} if output is None else {"output_dtype": output}
        result = np.asarray(call(name, system, x=x, axis=axis, keep_dims=keep_dims, **more))
        assert result.dtype == (output or "int32")
        np.testing.assert_array_equal(result, expected)
    last = np.asarray(call(name, x=x))
    np.testing.assert_array_equal(last, reduced(x, (-1,), False, lambda row: row.index(extreme(row))))
    np.testing.assert_array_equal(last, inferred(name, x=x))


def test_another_output_dtype_is_refused() -> None:
    with pytest.raises(ArtifactError, match="'int8'"):
        call("reduce_argmax", x=np.zeros(3, np.float32), output_dtype="int8")


def test_axes_that_x_does_not_have_are_refused() -> None:
    with pytest.raises(ArtifactError, match="axes"):
        call("reduce_sum", x=np.zeros((2, 3), np.float32), axes=(2,))
