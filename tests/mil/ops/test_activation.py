"""Activations, against what coremltools computes of constants and against their formulas."""

from __future__ import annotations

import math
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
NUMBER = st.floats(-8, 8, width=16)
FACTOR = st.floats(-2, 2, width=16)
X = arrays(np.float32, array_shapes(min_dims=1, max_dims=4, max_side=4), elements=NUMBER)

PLAIN = ["relu", "relu6", "sigmoid", "softplus", "softsign"]
WITH_ALPHA = ["elu", "leaky_relu", "thresholded_relu"]
WITH_ALPHA_AND_BETA = ["clamped_relu", "linear_activation", "scaled_tanh", "sigmoid_hard"]
GELU = ["EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"]


def near(result: Any, expected: Any) -> None:
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, np.asarray(expected), rtol=3e-6, atol=2e-6)


def near_in_half(name: str, x: np.ndarray, **parameters: Any) -> None:
    """Of halves a half, off what single precision gives by the rounding of a few steps at most."""
    half = x.astype(HALF)
    result = call(name, x=half, **parameters)
    assert result.dtype == HALF
    single = call(name, x=half.astype(np.float32), **parameters)
    np.testing.assert_allclose(result, single, rtol=2**-8, atol=2**-7)


@pytest.mark.parametrize("name", PLAIN)
@given(x=X)
@Few
def test_plain_activations(name: str, x: np.ndarray) -> None:
    near(call(name, x=x), inferred(name, x=x))
    near_in_half(name, x)


@given(x=X)
@Few
def test_silu_is_x_times_its_sigmoid(x: np.ndarray) -> None:
    expected = np.array([value / (1 + math.exp(-value)) for value in x.ravel().tolist()]).reshape(x.shape)
    near(call("silu", x=x), expected)
    near_in_half("silu", x)


@pytest.mark.parametrize("name", WITH_ALPHA)
@given(x=X, alpha=FACTOR)
@Few
def test_activations_with_alpha(name: str, x: np.ndarray, alpha: float) -> None:
    near(call(name, x=x, alpha=alpha), inferred(name, x=x.copy(), alpha=np.float32(alpha)))
    near_in_half(name, x, alpha=np.float32(alpha))


@pytest.mark.parametrize("name", WITH_ALPHA_AND_BETA)
@given(x=X, alpha=FACTOR, beta=FACTOR)
@Few
def test_activations_with_alpha_and_beta(name: str, x: np.ndarray, alpha: float, beta: float) -> None:
    if name == "clamped_relu":
        expected = np.where(x >= 0, np.minimum(x, beta), np.minimum(alpha * x, beta))
    else:
        expected = inferred(name, x=x, alpha=np.float32(alpha), beta=np.float32(beta))
    near(call(name, x=x, alpha=alpha, beta=beta), expected)
    near_in_half(name, x, alpha=np.float32(alpha), beta=np.float32(beta))


@pytest.mark.parametrize("mode", GELU)
@given(x=X)
@Few
def test_gelu_has_three_forms(mode: str, x: np.ndarray) -> None:
    near(call("gelu", x=x, mode=mode), inferred("gelu", x=x, mode=mode))
    near_in_half("gelu", x, mode=mode)


def test_gelu_is_exact_by_default_and_knows_no_other_form() -> None:
    x = np.linspace(-4, 4, 50, dtype=np.float32)
    near(call("gelu", x=x), [0.5 * value * (1 + math.erf(value / math.sqrt(2))) for value in x.tolist()])
    with pytest.raises(ArtifactError, match="'FAST'"):
        call("gelu", x=x, mode="FAST")


@given(x=arrays(np.float32, array_shapes(min_dims=3, max_dims=5, max_side=4), elements=NUMBER), data=st.data())
@Few
def test_activations_of_channels_take_a_factor_for_each(x: np.ndarray, data: st.DataObject) -> None:
    factors = arrays(np.float32, x.shape[1], elements=FACTOR)
    alpha, beta = data.draw(factors), data.draw(factors)
    leaky, soft = np.empty_like(x), np.empty_like(x)
    for place in np.ndindex(x.shape):
        value, a, b = float(x[place]), float(alpha[place[1]]), float(beta[place[1]])
        leaky[place] = value if value > 0 else a * value
        soft[place] = a * math.log1p(math.exp(b * value))
    near(call("prelu", x=x, alpha=alpha), leaky)
    near(call("softplus_parametric", x=x, alpha=alpha, beta=beta), soft)
    near_in_half("prelu", x, alpha=alpha)
    near_in_half("softplus_parametric", x, alpha=alpha, beta=beta)


def test_factors_for_other_channels_are_refused() -> None:
    with pytest.raises(ArtifactError, match="one value a channel"):
        call("prelu", x=np.zeros((2, 3, 4), np.float32), alpha=np.zeros(4, np.float32))


@given(x=X, data=st.data())
@Few
def test_softmax_along_any_axis(x: np.ndarray, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    near(call("softmax", x=x, axis=axis), inferred("softmax", x=x, axis=axis))
    near_in_half("softmax", x, axis=axis)
    near(call("softmax", x=x), inferred("softmax", x=x))


def test_large_numbers_do_not_overflow() -> None:
    x = np.array([1000, 0, -1000], np.float32)
    near(call("softmax", x=x), [1, 0, 0])
    near(call("softplus", x=x), [1000, math.log(2), 0])
    near(call("sigmoid", x=x), [1, 0.5, 0])
    near(call("silu", x=x), [1000, 0, 0])
    near(call("elu", x=x, alpha=2.0), [1000, 0, -2])


def test_softmax_in_half_precision_sums_in_half_precision() -> None:
    """4096 equal powers of 1: the sum of halves stays at 2048, where the next 1 is lost."""
    result = call("softmax", x=np.zeros(4096, HALF))
    assert result.dtype == HALF
    np.testing.assert_array_equal(result, HALF(1 / 2048))
