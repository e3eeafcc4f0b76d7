"""Elementwise operations, against Python's own mathematics and against what coremltools computes of constants."""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, mutually_broadcastable_shapes
from tests.mil.ops.calling import call, inferred

from edgeproof.errors import ArtifactError
from edgeproof.mil.registry import find_op
from edgeproof.mil.values import Budget, Limits

Few = settings(max_examples=25, deadline=None, derandomize=True)
SHAPES = array_shapes(min_dims=1, max_dims=4, max_side=4)
HALF = np.float16

UNARY: dict[str, tuple[Callable[[float], float], float, float]] = {
    "abs": (abs, -100, 100),
    "acos": (math.acos, -1, 1),
    "asin": (math.asin, -1, 1),
    "atan": (math.atan, -50, 50),
    "atanh": (math.atanh, -0.875, 0.875),
    "ceil": (math.ceil, -50, 50),
    "cos": (math.cos, -20, 20),
    "cosh": (math.cosh, -8, 8),
    "erf": (math.erf, -4, 4),
    "exp": (math.exp, -8, 8),
    "exp2": (math.exp2, -8, 8),
    "floor": (math.floor, -50, 50),
    "round": (round, -50, 50),
    "sign": (lambda x: (x > 0) - (x < 0), -2, 2),
    "sin": (math.sin, -20, 20),
    "sinh": (math.sinh, -8, 8),
    "sqrt": (math.sqrt, 0, 100),
    "square": (lambda x: x * x, -100, 100),
    "tan": (math.tan, -1.25, 1.25),
    "tanh": (math.tanh, -10, 10),
}


def each(function: Callable[..., Any], *arrays_: np.ndarray) -> np.ndarray:
    """A Python function of every element, or of the elements of several arrays that broadcasting brings together."""
    together = np.broadcast_arrays(*arrays_)
    values = [function(*row) for row in zip(*(operand.ravel().tolist() for operand in together), strict=True)]
    return np.array(values).reshape(together[0].shape)


def floats(low: float, high: float, dtype: Any = np.float32) -> st.SearchStrategy[np.ndarray]:
    width = 16 if dtype is HALF else 32
    return arrays(dtype, SHAPES, elements=st.floats(low, high, width=width, allow_subnormal=False))


@pytest.mark.parametrize("name", UNARY)
@given(data=st.data())
@Few
def test_of_one_tensor_is_the_function_of_each_element(name: str, data: st.DataObject) -> None:
    function, low, high = UNARY[name]
    x = data.draw(floats(low, high))
    result = call(name, x=x)
    assert result.dtype == np.float32
    assert result.shape == x.shape
    np.testing.assert_allclose(result, each(function, x), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", UNARY)
@given(data=st.data())
@Few
def test_of_one_tensor_in_half_precision_is_rounded_once(name: str, data: st.DataObject) -> None:
    function, low, high = UNARY[name]
    x = data.draw(floats(low, high, HALF))
    result = call(name, x=x)
    assert result.dtype == HALF
    np.testing.assert_allclose(result, each(function, x), rtol=2**-10, atol=2**-23)


@pytest.mark.parametrize("name", UNARY)
def test_of_one_tensor_agrees_with_coremltools(name: str) -> None:
    _, low, high = UNARY[name]
    x = np.linspace(low, high, 24, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_allclose(call(name, x=x), inferred(name, x=x), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", [*UNARY, "inverse", "log", "rsqrt", "relu", "sigmoid", "gelu", "silu", "softplus"])
def test_a_scalar_stays_one(name: str) -> None:
    result = np.asarray(call(name, x=np.array(0.5, np.float32)))
    assert (result.shape, result.dtype) == ((), np.float32)


@given(x=arrays(np.int32, SHAPES, elements=st.integers(-20, 20)))
@Few
def test_integers_stay_integers(x: np.ndarray) -> None:
    for name, function in (("abs", abs), ("sign", UNARY["sign"][0]), ("square", lambda x: x * x)):
        result = call(name, x=x)
        assert result.dtype == np.int32
        np.testing.assert_array_equal(result, each(function, x))
    powers = call("exp2", x=x)
    assert powers.dtype == np.int32
    np.testing.assert_array_equal(powers, each(lambda x: 2**x if x >= 0 else 0, x))
    limited = call("threshold", x=x, alpha=-3)
    assert limited.dtype == np.int32
    np.testing.assert_array_equal(limited, each(lambda x: max(x, -3), x))


EPSILON: dict[str, tuple[Callable[[float, float], float], float]] = {
    "inverse": (lambda x, e: 1 / (x + e), 1e-4),
    "log": (lambda x, e: math.log(x + e), 1e-45),
    "rsqrt": (lambda x, e: 1 / math.sqrt(x + e), 1e-12),
}


@pytest.mark.parametrize("name", EPSILON)
@given(
    x=floats(0.125, 50), epsilon=st.sampled_from([None, 0.001, 0.25, 1.0]), system=st.sampled_from(["iOS15", "iOS17"])
)
@Few
def test_epsilon_is_added_first(name: str, x: np.ndarray, epsilon: float | None, system: str) -> None:
    function, default = EPSILON[name]
    given_ = {} if epsilon is None else {"epsilon": np.float32(epsilon)}
    result = call(name, system, x=x, **given_)
    assert result.dtype == np.float32
    expected = each(lambda x: function(x, default if epsilon is None else epsilon), x)
    np.testing.assert_allclose(result, expected, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(result, inferred(name, system, x=x, **given_), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", EPSILON)
def test_epsilon_in_single_precision_leaves_a_half_a_half(name: str) -> None:
    x = np.array([0.5, 1, 2, 40], HALF)
    result = call(name, x=x, epsilon=np.float32(0.001))
    assert result.dtype == HALF
    expected = each(lambda x: EPSILON[name][0](x, 0.001), x)
    np.testing.assert_allclose(result, expected, rtol=2**-8, atol=2**-9)


@given(x=floats(-10, 10), alpha=st.floats(-5, 5, width=32), beta=st.floats(-5, 5, width=32))
@Few
def test_clip_and_threshold_bound_the_values(x: np.ndarray, alpha: float, beta: float) -> None:
    np.testing.assert_array_equal(call("threshold", x=x, alpha=alpha), each(lambda x: max(x, alpha), x))
    clipped = call("clip", "iOS15", x=x, alpha=alpha, beta=beta)
    assert clipped.dtype == np.float32
    np.testing.assert_array_equal(clipped, each(lambda x: min(max(x, alpha), beta), x))
    if alpha < beta:
        np.testing.assert_array_equal(call("clip", "iOS17", x=x, alpha=alpha, beta=beta), clipped)
    else:
        with pytest.raises(ArtifactError, match="alpha"):
            call("clip", "iOS17", x=x, alpha=alpha, beta=beta)


INTEGERS = {"int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "int32": 32}


def wrapped(value: int, bits: int, signed: bool) -> int:
    """The lowest ``bits`` of a number, read as one."""
    low = value % 2**bits
    return low - 2**bits if signed and low >= 2 ** (bits - 1) else low


@pytest.mark.parametrize("dtype", INTEGERS)
@given(x=arrays(np.float32, SHAPES, elements=st.floats(width=32)))
@Few
def test_cast_cuts_the_fraction_off(dtype: str, x: np.ndarray) -> None:
    def cut(value: float) -> int:
        if math.isnan(value):
            return 0
        whole = 2**31 - 1 if value >= 2**31 else -(2**31) if value < -(2**31) else int(value)
        return wrapped(whole, INTEGERS[dtype], signed=not dtype.startswith("u"))

    result = call("cast", "iOS17", x=x, dtype=dtype)
    assert result.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(result, each(cut, x))


@pytest.mark.parametrize("dtype", INTEGERS)
@given(x=arrays(np.int32, SHAPES))
@Few
def test_cast_of_integers_keeps_the_low_bits(dtype: str, x: np.ndarray) -> None:
    result = call("cast", "iOS17", x=x, dtype=dtype)
    assert result.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(result, each(lambda x: wrapped(x, INTEGERS[dtype], not dtype.startswith("u")), x))
    np.testing.assert_array_equal(result, inferred("cast", "iOS17", x=x, dtype=dtype))


@given(x=arrays(np.float32, SHAPES, elements=st.floats(width=32)))
@Few
def test_cast_rounds_to_the_nearest_half(x: np.ndarray) -> None:
    def half(value: float) -> float:
        try:
            return float(struct.unpack("e", struct.pack("e", value))[0])
        except OverflowError:
            return math.copysign(math.inf, value)

    result = call("cast", "iOS15", x=x, dtype="fp16")
    assert result.dtype == HALF
    np.testing.assert_array_equal(result, each(half, x))
    np.testing.assert_array_equal(call("cast", x=result, dtype="fp32"), result.astype(np.float64))
    np.testing.assert_array_equal(call("cast", x=x, dtype="bool"), each(lambda x: x != 0, x))


def test_cast_refuses_what_the_version_does_not_know() -> None:
    with pytest.raises(ArtifactError, match="'int8'"):
        call("cast", "iOS16", x=np.zeros(2, np.float32), dtype="int8")
    with pytest.raises(ArtifactError, match="'fp64'"):
        call("cast", "iOS17", x=np.zeros(2, np.float32), dtype="fp64")


def as_int32(value: float) -> int:
    return wrapped(int(value), 32, signed=True)


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "real_div": operator.truediv,
    "floor_div": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
    "maximum": max,
    "minimum": min,
}
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "less": operator.lt,
    "less_equal": operator.le,
}
LOGIC: dict[str, Callable[[bool, bool], bool]] = {
    "logical_and": lambda x, y: x and y,
    "logical_or": lambda x, y: x or y,
    "logical_xor": operator.xor,
}


@st.composite
def pairs(draw: st.DrawFn, dtype: Any, elements: st.SearchStrategy[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays whose shapes broadcast."""
    shapes = draw(mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=4, max_side=3)).input_shapes
    x, y = (draw(arrays(dtype, shape, elements=elements)) for shape in shapes)
    return x, y


@pytest.mark.parametrize("name", ARITHMETIC)
@given(data=st.data())
@Few
def test_arithmetic_broadcasts(name: str, data: st.DataObject) -> None:
    positive = st.floats(0.0625, 4, width=16)
    x, y = data.draw(pairs(np.float32, positive if name == "pow" else positive | positive.map(operator.neg)))
    result = np.asarray(call(name, x=x, y=y))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, each(ARITHMETIC[name], x, y), rtol=1e-5, atol=1e-6)
    half = np.asarray(call(name, x=x.astype(HALF), y=y.astype(HALF)))
    assert half.dtype == HALF
    np.testing.assert_allclose(half, result.astype(HALF), rtol=2**-9)


@pytest.mark.parametrize("name", ARITHMETIC)
@given(data=st.data())
@Few
def test_arithmetic_of_integers_gives_integers(name: str, data: st.DataObject) -> None:
    nonzero = st.integers(-300, 300).filter(bool)
    x, y = data.draw(pairs(np.int32, nonzero if name != "pow" else st.integers(-6, 6).filter(bool)))
    result = np.asarray(call(name, x=x, y=y))
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, each(lambda x, y: as_int32(ARITHMETIC[name](x, y)), x, y))


@pytest.mark.parametrize("name", COMPARISONS)
@given(data=st.data())
@Few
def test_comparisons_give_bool(name: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([np.float32, HALF, np.int32]))
    elements = st.sampled_from([-1, 0, 1]) if dtype is np.int32 else st.sampled_from([-0.5, 0.0, 0.5, np.nan])
    x, y = data.draw(pairs(dtype, elements))
    result = np.asarray(call(name, x=x, y=y))
    assert result.dtype == np.bool_
    np.testing.assert_array_equal(result, each(COMPARISONS[name], x, y))


@pytest.mark.parametrize("name", LOGIC)
@given(data=st.data())
@Few
def test_logic_of_bools(name: str, data: st.DataObject) -> None:
    x, y = data.draw(pairs(np.bool_, st.booleans()))
    result = np.asarray(call(name, x=x, y=y))
    assert result.dtype == np.bool_
    np.testing.assert_array_equal(result, each(LOGIC[name], x, y))
    np.testing.assert_array_equal(call("logical_not", x=x), each(operator.not_, x))


@pytest.mark.parametrize("name", [*ARITHMETIC, *COMPARISONS])
def test_of_two_tensors_agrees_with_coremltools(name: str) -> None:
    x = np.linspace(0.5, 9, 12, dtype=np.float32).reshape(3, 1, 4)
    y = np.linspace(-2.25, 2, 6, dtype=np.float32).reshape(3, 2, 1)
    np.testing.assert_allclose(call(name, x=x, y=y), inferred(name, x=x, y=y), rtol=1e-6)


def test_nan_is_neither_lost_nor_made() -> None:
    x, y = np.array([np.nan, 1, -8], np.float32), np.array([1, np.nan, 1 / 3], np.float32)
    for name in ("maximum", "minimum"):
        np.testing.assert_array_equal(np.isnan(call(name, x=x, y=y)), [True, True, False])
    assert np.isnan(call("pow", x=x, y=y)[2])


def test_integers_divided_by_zero_give_what_is_said() -> None:
    x, zero = np.array([7, -7, 0], np.int32), np.array(0, np.int32)
    assert call("floor_div", x=x, y=zero).tolist() == [0, 0, 0]
    assert call("mod", x=x, y=zero).tolist() == [0, 0, 0]
    assert call("real_div", x=x, y=zero).tolist() == [2**31 - 1, -(2**31), 0]


def test_broadcasting_beyond_the_limit_is_refused() -> None:
    add = find_op("add", "CoreML8")
    assert add is not None
    budget = Budget(Limits(bytes=1000))
    tall, wide = np.zeros((16, 1), np.float32), np.zeros((1, 16), np.float32)
    with pytest.raises(ArtifactError, match="the limit"):
        add.function(tall, wide, budget)
    assert add.function(tall, tall, budget).shape == (16, 1)
