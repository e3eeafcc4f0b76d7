"""Normalizations, against their formulas in float64 and what coremltools computes of constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from tests.mil.ops.calling import call, inferred

from edgeproof.errors import ArtifactError

Few = settings(max_examples=25, deadline=None, derandomize=True)
SHAPES = array_shapes(min_dims=3, max_dims=5, max_side=4)
EPSILONS = st.sampled_from([1e-5, 1e-2, 1.0])
HALF_BOUND = 0.06
"""Of float16: a few roundings of sums of at most 64 terms, of values within 8."""


def some(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, shape).astype(np.float32)


def channels(shape: tuple[int, ...], seed: int, scaled: bool) -> dict[str, np.ndarray]:
    return {"gamma": some(seed + 5, shape[1]), "beta": some(seed + 6, shape[1])} if scaled else {}


def along(values: Any, rank: int) -> np.ndarray:
    return np.asarray(values, np.float64).reshape(-1, *(1,) * (rank - 2))


def held(result: np.ndarray, expected: np.ndarray, half: bool) -> None:
    assert result.dtype == (np.float16 if half else np.float32)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=HALF_BOUND if half else 1e-4, atol=HALF_BOUND if half else 1e-4)


def as_half(arguments: dict[str, Any], half: bool) -> dict[str, Any]:
    if not half:
        return arguments
    return {
        name: value.astype(np.float16) if isinstance(value, np.ndarray) else value for name, value in arguments.items()
    }


@given(shape=SHAPES, epsilon=EPSILONS, scaled=st.booleans(), half=st.booleans(), seed=st.integers(0, 99))
@Few
def test_batch_norm(shape: tuple[int, ...], epsilon: float, scaled: bool, half: bool, seed: int) -> None:
    arguments = {
        "x": some(seed, *shape),
        "mean": some(seed + 1, shape[1]),
        "variance": np.abs(some(seed + 2, shape[1])) + 0.5,
    } | channels(shape, seed, scaled)
    rank = len(shape)
    root = np.sqrt(along(arguments["variance"], rank) + epsilon)
    expected = (arguments["x"] - along(arguments["mean"], rank)) / root
    expected = expected * along(arguments.get("gamma", 1), rank) + along(arguments.get("beta", 0), rank)
    held(call("batch_norm", **as_half(arguments, half), epsilon=epsilon), expected, half)


@given(shape=SHAPES, epsilon=EPSILONS, scaled=st.booleans(), half=st.booleans(), seed=st.integers(0, 99))
@Few
def test_instance_norm(shape: tuple[int, ...], epsilon: float, scaled: bool, half: bool, seed: int) -> None:
    if half:
        epsilon = 1.0
    x = some(seed, *shape)
    arguments = channels(shape, seed, scaled)
    axes, wide = tuple(range(2, x.ndim)), x.astype(np.float64)
    expected = (wide - wide.mean(axes, keepdims=True)) / np.sqrt(wide.var(axes, keepdims=True) + epsilon)
    expected = expected * along(arguments.get("gamma", 1), x.ndim) + along(arguments.get("beta", 0), x.ndim)
    held(call("instance_norm", **as_half({"x": x} | arguments, half), epsilon=epsilon), expected, half)


@given(data=st.data(), shape=array_shapes(min_dims=1, max_dims=4, max_side=4), scaled=st.booleans(), half=st.booleans())
@Few
def test_layer_norm(data: st.DataObject, shape: tuple[int, ...], scaled: bool, half: bool) -> None:
    rank = len(shape)
    axes = data.draw(
        st.lists(st.integers(-rank, rank - 1), min_size=1, max_size=rank, unique_by=lambda axis: axis % rank)
    )
    x = some(data.draw(st.integers(0, 99)), *shape)
    sizes = [size for at, size in enumerate(shape) if at in {axis % rank for axis in axes}]
    arguments: dict[str, Any] = {"gamma": some(1, *sizes), "beta": some(2, *sizes)} if scaled else {}
    epsilon = np.float32(1.0 if half else 1e-3)
    expected = inferred("layer_norm", x=x, axes=axes, epsilon=epsilon, **arguments)
    held(call("layer_norm", **as_half({"x": x} | arguments, half), axes=axes, epsilon=epsilon), expected, half)


def test_layer_norm_is_over_all_axes_where_none_are_given() -> None:
    x = some(0, 3, 4)
    expected = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    np.testing.assert_allclose(call("layer_norm", x=x), expected, atol=1e-5)


def test_layer_norm_of_many_halves_divides_by_their_number() -> None:
    x = np.tile(np.array([1, -1], np.float16), 40000).reshape(1, -1)
    assert np.isfinite(call("layer_norm", x=x, axes=[1])).all()


@given(shape=array_shapes(min_dims=3, max_dims=5, max_side=3), half=st.booleans(), seed=st.integers(0, 99))
@Few
def test_l2_norm(shape: tuple[int, ...], half: bool, seed: int) -> None:
    x = some(seed, *shape)
    expected = inferred("l2_norm", x=x, epsilon=np.float32(1e-3))
    held(call("l2_norm", **as_half({"x": x}, half), epsilon=1e-3), expected, half)


@given(
    shape=array_shapes(min_dims=3, max_dims=4, max_side=5),
    size=st.integers(1, 7),
    numbers=st.tuples(st.sampled_from([1e-4, 0.5]), st.sampled_from([0.75, 1.0]), st.sampled_from([1.0, 2.0])),
    half=st.booleans(),
    seed=st.integers(0, 99),
)
@Few
def test_local_response_norm(
    shape: tuple[int, ...], size: int, numbers: tuple[float, float, float], half: bool, seed: int
) -> None:
    x = some(seed, *shape)
    alpha, beta, k = numbers
    expected = np.zeros(shape)
    for at in range(shape[1]):
        window = x[:, max(0, at - size // 2) : at + (size - 1) // 2 + 1].astype(np.float64)
        expected[:, at] = x[:, at] / (k + alpha / size * np.square(window).sum(1)) ** beta
    held(call("local_response_norm", **as_half({"x": x}, half), size=size, alpha=alpha, beta=beta, k=k), expected, half)


def test_parameters_of_another_dtype_take_that_of_x() -> None:
    x, parameter = some(0, 1, 2, 3), np.ones(2, np.float16)
    assert (
        call("batch_norm", x=x, mean=parameter, variance=parameter, gamma=parameter, beta=parameter).dtype == np.float32
    )
    assert call("instance_norm", x=x, gamma=parameter, beta=parameter).dtype == np.float32
    assert call("layer_norm", x=x, axes=[1], gamma=parameter, beta=parameter).dtype == np.float32


def test_what_does_not_fit_is_refused() -> None:
    x = some(0, 1, 2, 3)
    with pytest.raises(ArtifactError, match="mean"):
        call("batch_norm", x=x, mean=np.ones(3, np.float32), variance=np.ones(2, np.float32))
    with pytest.raises(ArtifactError, match="axes"):
        call("layer_norm", x=x, axes=[3])
    with pytest.raises(ArtifactError, match="gamma"):
        call("layer_norm", x=x, axes=[1], gamma=np.ones(3, np.float32))
    with pytest.raises(ArtifactError, match="dimensions"):
        call("l2_norm", x=x[0])
    with pytest.raises(ArtifactError, match="neighbours"):
        call("local_response_norm", x=x, size=0)
