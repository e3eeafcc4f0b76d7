"""Products of matrices, against numpy in float64 and what coremltools computes of constants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call, inferred

from edgeproof.errors import ArtifactError

Few = settings(max_examples=25, deadline=None, derandomize=True)
SIZES = st.integers(1, 5)
STEP = 2.0**-11
"""What rounding to float16 changes at most, of a value."""


def some(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, shape).astype(np.float32)


@given(rows=st.lists(SIZES, max_size=2), inner=SIZES, out=SIZES, bias=st.booleans(), seed=st.integers(0, 99))
@Few
def test_linear(rows: list[int], inner: int, out: int, bias: bool, seed: int) -> None:
    x, weight = some(seed, *rows, inner), some(seed + 1, out, inner)
    given_bias = {"bias": some(seed + 2, out)} if bias else {}
    result = call("linear", x=x, weight=weight, **given_bias)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, inferred("linear", x=x, weight=weight, **given_bias), rtol=1e-5, atol=1e-5)


@given(rows=st.lists(SIZES, max_size=2), inner=SIZES, out=SIZES, seed=st.integers(0, 99))
@Few
def test_linear_of_halves_is_near_and_half(rows: list[int], inner: int, out: int, seed: int) -> None:
    x, weight, bias = (
        some(seed + at, *shape).astype(np.float16) for at, shape in enumerate([(*rows, inner), (out, inner), (out,)])
    )
    result = call("linear", x=x, weight=weight, bias=bias)
    assert result.dtype == np.float16
    a, b, c = (array.astype(np.float64) for array in (x, weight, bias))
    bound = (inner + 2) * STEP * (np.abs(a) @ np.abs(b).T + np.abs(c)) + 1e-6
    assert (np.abs(result - (a @ b.T + c)) <= bound).all()


def test_linear_takes_the_dtype_of_x() -> None:
    x, weight = some(0, 3, 4), some(1, 2, 4)
    assert call("linear", x=x, weight=weight.astype(np.float16)).dtype == np.float32
    whole = call("linear", x=np.full((3, 4), 2, np.int32), weight=np.full((2, 4), 3, np.int32))
    assert whole.dtype == np.int32
    assert (whole == 24).all()


@given(
    batch=st.sampled_from([((), ()), ((2,), ()), ((), (3,)), ((2, 1), (3,)), ((4, 2), (4, 2))]),
    sizes=st.tuples(SIZES, SIZES, SIZES),
    turned=st.tuples(st.booleans(), st.booleans()),
    dtype=st.sampled_from([np.float32, np.int32]),
    seed=st.integers(0, 99),
)
@Few
def test_matmul(
    batch: tuple[tuple[int, ...], tuple[int, ...]],
    sizes: tuple[int, int, int],
    turned: tuple[bool, bool],
    dtype: type,
    seed: int,
) -> None:
    rows, inner, columns = sizes
    x = some(seed, *batch[0], *((inner, rows) if turned[0] else (rows, inner))) * 4
    y = some(seed + 1, *batch[1], *((columns, inner) if turned[1] else (inner, columns))) * 4
    arguments = {"x": x.astype(dtype), "y": y.astype(dtype), "transpose_x": turned[0], "transpose_y": turned[1]}
    result = call("matmul", **arguments)
    expected = inferred("matmul", **arguments)
    assert result.dtype == dtype
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("a", "b"), [((4,), (4,)), ((4,), (2, 4, 3)), ((2, 3, 4), (4,))])
def test_matmul_of_rows_and_columns(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = some(0, *a), some(1, *b)
    result = np.asarray(call("matmul", x=x, y=y))
    assert result.shape == np.matmul(x, y).shape
    np.testing.assert_allclose(result, np.matmul(x.astype(np.float64), y), rtol=1e-5, atol=1e-5)


def test_matmul_of_two_floating_point_types_takes_the_wider_one() -> None:
    x, y = some(0, 2, 4), some(1, 4, 3).astype(np.float16)
    assert call("matmul", x=x, y=y).dtype == np.float32
    assert call("matmul", x=x, y=np.ones((4, 3), np.int32)).dtype == np.float32


def test_matmul_of_halves_rounds_every_sum() -> None:
    ones = np.ones((1, 4096), np.float16)
    assert call("matmul", x=ones, y=ones.T).item() == 2048


@given(rows=SIZES, inner=st.integers(1, 12), columns=SIZES, seed=st.integers(0, 99))
@Few
def test_matmul_of_halves_adds_one_product_after_the_other(rows: int, inner: int, columns: int, seed: int) -> None:
    x, y = some(seed, rows, inner).astype(np.float16), some(seed + 1, inner, columns).astype(np.float16)
    expected = np.zeros((rows, columns), np.float16)
    for i in range(rows):
        for j in range(columns):
            total = np.float16(0)
            for k in range(inner):
                total = np.float16(np.float32(total) + np.float32(x[i, k]) * np.float32(y[k, j]))
            expected[i, j] = total
    np.testing.assert_array_equal(call("matmul", x=x, y=y), expected)


@given(
    batch=st.sampled_from([(), (2, 2), (1, 3), (3, 1)]),
    sizes=st.tuples(SIZES, SIZES, SIZES),
    heights=st.sampled_from([(3, 3), (1, 3), (3, 1)]),
    half=st.booleans(),
    seed=st.integers(0, 99),
)
@Few
def test_einsum(
    batch: tuple[int, ...], sizes: tuple[int, int, int], heights: tuple[int, int], half: bool, seed: int
) -> None:
    c, w, u = sizes
    x, y = some(seed, *batch[:1], c, heights[0], w), some(seed + 1, *batch[1:], w, heights[1], u)
    if half:
        x, y = x.astype(np.float16), y.astype(np.float16)
    equation = "nchw,nwhr->nchr" if batch else "abc,cbd->abd"
    result = call("einsum", values=(x, y), equation=equation)
    a, b = np.moveaxis(x, -2, -3).astype(np.float64), np.moveaxis(y, -2, -3).astype(np.float64)
    expected = np.moveaxis(a @ b, -3, -2)
    assert result.dtype == x.dtype
    assert result.shape == expected.shape
    bound = np.moveaxis((w + 1) * STEP * (np.abs(a) @ np.abs(b)), -3, -2) if half else 1e-4
    assert (np.abs(result - expected) <= bound).all()
    if not half:
        np.testing.assert_allclose(result, inferred("einsum", values=(x, y), equation=equation), rtol=1e-4, atol=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    x, y = some(0, 2, 3), some(1, 2, 3)
    with pytest.raises(ArtifactError, match="do not fit"):
        call("matmul", x=x, y=y)
    with pytest.raises(ArtifactError, match="do not fit"):
        call("linear", x=x, weight=some(1, 2, 4))
    with pytest.raises(ArtifactError, match="the bias"):
        call("linear", x=x, weight=y, bias=some(1, 3))
    with pytest.raises(ArtifactError, match="equation"):
        call("einsum", values=(some(0, 2, 2, 2), some(0, 2, 2, 2)), equation="abc,abd->acd")
