"""Images resized, against loops over every element written from the description of each sampling mode."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call

from edgeproof.errors import ArtifactError

Few = settings(max_examples=25, deadline=None, derandomize=True)
MODES = ["DEFAULT", "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "OFFSET_CORNERS", "UNALIGN_CORNERS"]
SIZES = st.integers(1, 6)
HALF_BOUND = 0.02
"""Of float16: weights and results of two interpolations, of values within 2."""


def some(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, shape).astype(np.float32)


def grid_point(mode: str, old: float, new: int, i: int) -> float:
    """Where element ``i`` of ``new`` is taken in a line of ``old`` elements, as MIL describes it."""
    if mode == "ALIGN_CORNERS" and new == 1:
        return (old - 1) / 2
    if mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        point = i * (old - 1) / (new - 1) if new > 1 else 0.0
    elif mode == "DEFAULT":
        point = i * (old - old / new) / (new - 1) if new > 1 else 0.0
    elif mode == "OFFSET_CORNERS":
        delta = max(1.0, old - 1) / new
        point = 0.5 * delta + (i * ((new - 1) * delta) / (new - 1) if new > 1 else 0.0)
    else:
        spacing = old / new
        point = i * spacing + 0.5 * spacing - 0.5
    return min(old - 1, max(0.0, point))


def between(x: np.ndarray, point: tuple[float, ...]) -> np.ndarray:
    """The value of ``x`` (..., *size) between the elements around a point: each weighted by what is near it."""
    rank, total = len(point), np.zeros(x.shape[: x.ndim - len(point)])
    for corner in itertools.product((0, 1), repeat=rank):
        weight, index = 1.0, []
        for at, (where, up) in enumerate(zip(point, corner, strict=True)):
            low = math.floor(where)
            weight *= where - low if up else 1 - (where - low)
            index.append(min(low + up, x.shape[x.ndim - rank + at] - 1))
        if weight:
            total = total + weight * x[(..., *index)].astype(np.float64)
    return total


def linear(x: np.ndarray, mode: str, *sizes: int) -> np.ndarray:
    result = np.zeros((*x.shape[: x.ndim - len(sizes)], *sizes))
    olds = x.shape[x.ndim - len(sizes) :]
    for place in itertools.product(*map(range, sizes)):
        point = tuple(grid_point(mode, old, new, i) for old, new, i in zip(olds, sizes, place, strict=True))
        result[(..., *place)] = between(x, point)
    return result


def held(result: np.ndarray, expected: np.ndarray, half: bool) -> None:
    assert result.dtype == (np.float16 if half else np.float32)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, atol=HALF_BOUND if half else 1e-5)


IMAGES = st.tuples(st.integers(1, 2), SIZES, SIZES)


@given(
    shape=IMAGES, size=st.tuples(SIZES, SIZES), mode=st.sampled_from(MODES), half=st.booleans(), seed=st.integers(0, 99)
)
@Few
def test_resize_bilinear(shape: tuple[int, ...], size: tuple[int, int], mode: str, half: bool, seed: int) -> None:
    x = some(seed, 1, *shape).astype(np.float16 if half else np.float32)
    result = call("resize_bilinear", x=x, target_size_height=size[0], target_size_width=size[1], sampling_mode=mode)
    held(result, linear(x, mode, *size), half)


@given(
    shape=IMAGES,
    scale=st.tuples(st.sampled_from([0.5, 1.0, 1.5, 2.6, 3.0]), st.sampled_from([0.7, 1.0, 2.0])),
    align=st.booleans(),
    half_pixel=st.sampled_from([None, True, False]),
    seed=st.integers(0, 99),
)
@Few
def test_upsample_bilinear(
    shape: tuple[int, ...], scale: tuple[float, float], align: bool, half_pixel: bool | None, seed: int
) -> None:
    x = some(seed, *shape)
    size = [math.floor(np.float32(factor) * np.float32(old)) for factor, old in zip(scale, shape[1:], strict=True)]
    arguments = {"x": x, "scale_factor_height": scale[0], "scale_factor_width": scale[1], "align_corners": align}
    if half_pixel is not None:
        arguments["half_pixel_centers"] = half_pixel
    if min(size) < 1 or (align and half_pixel):
        with pytest.raises(ArtifactError):
            call("upsample_bilinear", **arguments)
        return
    mode = "STRICT_ALIGN_CORNERS" if align else "DEFAULT" if half_pixel is False else "UNALIGN_CORNERS"
    held(call("upsample_bilinear", **arguments), linear(x, mode, *size), False)
    if half_pixel is None:
        held(call("upsample_bilinear", "iOS15", **arguments), linear(x, mode, *size), False)


def nearest(x: np.ndarray, height: list[int], width: list[int]) -> np.ndarray:
    result = np.zeros((*x.shape[:-2], len(height), len(width)), x.dtype)
    for (i, row), (j, column) in itertools.product(enumerate(height), enumerate(width)):
        result[..., i, j] = x[..., row, column]
    return result


@given(shape=IMAGES, size=st.tuples(SIZES, SIZES), seed=st.integers(0, 99))
@Few
def test_resize_nearest_neighbor(shape: tuple[int, ...], size: tuple[int, int], seed: int) -> None:
    x = some(seed, *shape)
    rows, columns = (
        [int((i + 0.5) * (old / new)) for i in range(new)] for old, new in zip(shape[1:], size, strict=True)
    )
    exact = [
        [((2 * i + 1) * old) % (2 * new) == 0 for i in range(new)] for old, new in zip(shape[1:], size, strict=True)
    ]
    result = call("resize_nearest_neighbor", x=x, target_size_height=size[0], target_size_width=size[1])
    expected = nearest(x, rows, columns)
    sure = ~(np.array(exact[0])[:, None] | np.array(exact[1])[None, :])
    assert result.shape == expected.shape
    np.testing.assert_array_equal(result[:, sure], expected[:, sure])


@given(shape=IMAGES, scale=st.tuples(st.integers(1, 3), st.integers(1, 3)), seed=st.integers(0, 99))
@Few
def test_upsample_nearest_neighbor_repeats(shape: tuple[int, ...], scale: tuple[int, int], seed: int) -> None:
    x = some(seed, *shape)
    result = call("upsample_nearest_neighbor", x=x, scale_factor_height=scale[0], scale_factor_width=scale[1])
    np.testing.assert_array_equal(result, x.repeat(scale[0], -2).repeat(scale[1], -1))


def test_upsample_nearest_neighbor_takes_the_scale_that_the_size_has() -> None:
    x = np.array([[[1.0, 2.0, 3.0]]], np.float32)
    assert call("upsample_nearest_neighbor", x=x, scale_factor_width=1.12).ravel().tolist() == [1, 2, 3]
    assert call("upsample_nearest_neighbor", x=x, scale_factor_width=1.7).ravel().tolist() == [1, 1, 2, 2, 3]


@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    data=st.data(),
    mode=st.sampled_from(MODES),
    half=st.booleans(),
)
@Few
def test_resize(shape: list[int], data: st.DataObject, mode: str, half: bool) -> None:
    x = some(data.draw(st.integers(0, 99)), *shape).astype(np.float16 if half else np.float32)
    wanted = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=len(shape)))
    count = data.draw(st.integers(1, len(wanted)))
    olds = shape[len(shape) - count :]
    sizes = [new or old for new, old in zip(wanted[len(wanted) - count :], olds, strict=True)]
    arguments: dict[str, Any] = {"x": x, "shape": wanted, "resized_dims": np.uint32(count), "sampling_mode": mode}
    held(call("resize", **arguments), linear(x, mode, *sizes), half)
    result = call("resize", **arguments, interpolation_mode="NEAREST_NEIGHBOR")
    expected = x
    for axis, (old, new) in enumerate(zip(olds, sizes, strict=True), len(shape) - count):
        if mode == "DEFAULT":
            index = [(2 * i + 1) * old // (2 * new) for i in range(new)]
        else:
            index = [math.floor(grid_point(mode, old, new, i) + 0.5) for i in range(new)]
        expected = np.stack([expected[(slice(None),) * axis + (i,)] for i in index], axis)
    np.testing.assert_array_equal(result, expected)


def test_resize_of_whole_numbers_stays_whole() -> None:
    result = call("resize", x=np.array([0, 10], np.int32), shape=[4], resized_dims=1)
    assert result.dtype == np.int32
    assert result.tolist() == [0, 5, 10, 10]


@given(shape=IMAGES, data=st.data())
@Few
def test_crop(shape: tuple[int, ...], data: st.DataObject) -> None:
    x = some(0, *shape)
    cuts = []
    for size in shape[1:]:
        before = data.draw(st.integers(0, size - 1))
        cuts.append([before, data.draw(st.integers(0, size - 1 - before))])
    result = call("crop", x=x, crop_height=cuts[0], crop_width=cuts[1])
    kept = [[i for i in range(n) if a <= i < n - b] for n, (a, b) in zip(shape[1:], cuts, strict=True)]
    np.testing.assert_array_equal(result, nearest(x, kept[0], kept[1]))


def test_what_does_not_fit_is_refused() -> None:
    x = some(0, 1, 2, 3)
    with pytest.raises(ArtifactError, match="sampling_mode"):
        call("resize_bilinear", x=x, sampling_mode="MIDDLE")
    with pytest.raises(ArtifactError, match="0 high"):
        call("resize_nearest_neighbor", x=x, target_size_height=0, target_size_width=1)
    with pytest.raises(ArtifactError, match="limit"):
        call("upsample_nearest_neighbor", x=x, scale_factor_height=1e6, scale_factor_width=1e6)
    with pytest.raises(ArtifactError, match="cut off"):
        call("crop", x=x, crop_height=[2, 1], crop_width=[0, 0])
    with pytest.raises(ArtifactError, match="interpolation_mode"):
        call("resize", x=x, shape=[1, 1], resized_dims=2, interpolation_mode="CUBIC")
    with pytest.raises(ArtifactError, match="dimensions of the shape"):
        call("resize", x=x, shape=[1, 1], resized_dims=3)
