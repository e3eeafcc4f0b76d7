"""Images taken at coordinates, moved, and cut into boxes: against loops over every place."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call
from tests.mil.ops.test_image_resizing import MODES, between, grid_point

from edgeproof.errors import ArtifactError

Few = settings(max_examples=40, deadline=None, derandomize=True)
BORDERS = ["constant", "border", "reflection", "symmetric"]
COORDINATES = ["unnormalized", "normalized_minus_one_to_one", "normalized_zero_to_one"]
SIZES = st.integers(1, 4)
HALF_BOUND = 0.03
"""Of float16: weights and results of two interpolations, of values within 3."""


def some(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, shape).astype(np.float32)


def element(x: np.ndarray, row: int, column: int, border: str, value: float) -> np.ndarray:
    """Of (channels, h, w), padded without end as the padding mode says: by walking back into the image."""
    at = []
    for index, size in ((row, x.shape[1]), (column, x.shape[2])):
        if not 0 <= index < size and border == "constant":
            return np.full(x.shape[0], value)
        while not 0 <= index < size:
            if border == "border" or size == 1:
                index = min(max(index, 0), size - 1)
            elif border == "reflection":
                index = -index if index < 0 else 2 * (size - 1) - index
            else:
                index = -1 - index if index < 0 else 2 * size - 1 - index
        at.append(index)
    return x[:, at[0], at[1]].astype(np.float64)


def taken(x: np.ndarray, column: float, row: float, mode: str, border: str, value: float) -> np.ndarray:
    if mode == "nearest":
        return element(x, round(row), round(column), border, value)
    top, left = math.floor(row), math.floor(column)
    total = np.zeros(x.shape[0])
    for down, right in itertools.product((0, 1), repeat=2):
        weight = (row - top if down else 1 - (row - top)) * (column - left if right else 1 - (column - left))
        total += weight * element(x, top + down, left + right, border, value)
    return total


def place(coordinate: float, size: int, mode: str, align: bool) -> float:
    """A coordinate in elements, the middle of the first one being 0."""
    if mode == "unnormalized":
        return coordinate
    low, high = (0.0, size - 1.0) if align else (-0.5, size - 0.5)
    share = coordinate if mode == "normalized_zero_to_one" else (coordinate + 1) / 2
    return low + share * (high - low)


@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 2), SIZES, SIZES),
    size=st.tuples(SIZES, SIZES),
    modes=st.tuples(st.sampled_from(["bilinear", "nearest"]), st.sampled_from(BORDERS), st.sampled_from(COORDINATES)),
    align=st.booleans(),
    half=st.booleans(),
    value=st.sampled_from([0.0, 0.5]),
    seed=st.integers(0, 99),
)
@Few
def test_resample(
    shape: tuple[int, ...],
    size: tuple[int, int],
    modes: tuple[str, str, str],
    align: bool,
    half: bool,
    value: float,
    seed: int,
) -> None:
    x = some(seed, *shape).astype(np.float16 if half else np.float32)
    at = some(seed + 1, shape[0], *size, 2) * (3 if modes[2] == "unnormalized" else 1)
    result = call(
        "resample",
        x=x,
        coordinates=at,
        sampling_mode=modes[0],
        padding_mode=modes[1],
        padding_value=value,
        coordinates_mode=modes[2],
        align_corners=align,
    )
    expected = np.zeros((*shape[:2], *size))
    for n, i, j in itertools.product(range(shape[0]), *map(range, size)):
        column, row = (place(float(at[n, i, j, k]), shape[3 - k], modes[2], align) for k in (0, 1))
        if modes[0] == "nearest":
            assume(all(abs(place - math.floor(place) - 0.5) > 1e-4 for place in (column, row)))
        expected[n, :, i, j] = taken(x[n], column, row, modes[0], modes[1], value)
    assert result.dtype == x.dtype
    np.testing.assert_allclose(result, expected, atol=HALF_BOUND if half else 1e-5)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.float16])
def test_coordinates_may_have_another_dtype(dtype: type) -> None:
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    at = np.array([[[[2, 1], [0, 1]]]], dtype)
    result = call(
        "resample",
        x=x,
        coordinates=at,
        sampling_mode="bilinear",
        padding_mode="border",
        padding_value=0.0,
        coordinates_mode="unnormalized",
        align_corners=True,
    )
    assert result.ravel().tolist() == [5, 3]


@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 2), SIZES, SIZES),
    size=st.tuples(st.integers(2, 4), st.integers(2, 4)),
    align=st.booleans(),
    shared=st.booleans(),
    seed=st.integers(0, 99),
)
@Few
def test_affine_is_that_of_torch(
    shape: tuple[int, ...], size: tuple[int, int], align: bool, shared: bool, seed: int
) -> None:
    x, matrix = some(seed, *shape), some(seed + 1, 1 if shared else shape[0], 6)
    result = call(
        "affine",
        x=x,
        transform_matrix=matrix,
        output_height=size[0],
        output_width=size[1],
        sampling_mode="bilinear",
        padding_mode="constant",
        padding_value=0.0,
        coordinates_mode="normalized_minus_one_to_one",
        align_corners=align,
    )
    theta = torch.from_numpy(np.broadcast_to(matrix, (shape[0], 6)).copy()).reshape(-1, 2, 3)
    places = torch.nn.functional.affine_grid(theta, [*shape[:2], *size], align_corners=align)
    expected = torch.nn.functional.grid_sample(torch.from_numpy(x), places, align_corners=align)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-4)


def cropped(
    x: np.ndarray, box: np.ndarray, size: tuple[int, int], mode: str, normalized: bool, value: float
) -> np.ndarray:
    """One box (h start, w start, h end, w end) of (channels, h, w)."""
    result = np.zeros((x.shape[0], *size))
    ends = box.astype(np.float64).reshape(2, 2)
    if normalized:
        ends = ends * (np.array(x.shape[1:]) - 1)
    for i, j in itertools.product(*map(range, size)):
        point = []
        for axis, index in enumerate((i, j)):
            start, end = ends[0, axis], ends[1, axis]
            along = grid_point(mode, abs(end - start) + 1, size[axis], index)
            point.append(start + along if end >= start else start - along)
        if all(0 <= place <= n - 1 for place, n in zip(point, x.shape[1:], strict=True)):
            result[:, i, j] = between(x, (point[0], point[1]))
        else:
            assume(all(min(abs(place), abs(place - n + 1)) > 1e-4 for place, n in zip(point, x.shape[1:], strict=True)))
            result[:, i, j] = value
    return result


@given(
    size=st.tuples(SIZES, SIZES),
    mode=st.sampled_from(MODES),
    form=st.sampled_from(["CORNERS", "CENTER_SIZE"]),
    height_first=st.booleans(),
    normalized=st.booleans(),
    scale=st.sampled_from([1.0, 0.5]),
    half=st.booleans(),
    seed=st.integers(0, 99),
)
@Few
def test_crop_resize(
    size: tuple[int, int],
    mode: str,
    form: str,
    height_first: bool,
    normalized: bool,
    scale: float,
    half: bool,
    seed: int,
) -> None:
    x = some(seed, 2, 2, 5, 4).astype(np.float16 if half else np.float32)
    corners = np.random.default_rng(seed).integers(-1, 9, (3, 4)).astype(np.float32) / (8 if normalized else 2)
    written = corners / scale
    if form == "CENTER_SIZE":
        low, high = written[:, :2], written[:, 2:]
        written = np.concatenate(((low + high) / 2, high - low), 1)
    if not height_first:
        written = written[:, [1, 0, 3, 2]]
    arguments: dict[str, Any] = {
        "target_height": size[0],
        "target_width": size[1],
        "normalized_coordinates": normalized,
        "spatial_scale": scale,
        "box_coordinate_mode": f"{form}_{'HEIGHT' if height_first else 'WIDTH'}_FIRST",
        "sampling_mode": mode,
    }
    images = [1, 0, 1]
    expected = np.stack(
        [cropped(x[n], box, size, mode, normalized, 0.25) for n, box in zip(images, corners, strict=True)]
    )
    bound = HALF_BOUND if half else 1e-5
    result = call(
        "crop_resize", "iOS17", x=x, boxes=written, box_indices=np.array(images, np.int32), pad_value=0.25, **arguments
    )
    assert result.dtype == x.dtype
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, atol=bound)
    roi = np.concatenate((np.array(images, np.float32)[:, None], written), 1).reshape(3, 1, 5, 1, 1)
    old = call("crop_resize", "iOS16", x=x, roi=roi, pad_value=0.25, **arguments)
    np.testing.assert_array_equal(old, result[:, None])
    every = call("crop_resize", "iOS15", x=x, roi=written.reshape(3, 1, 4, 1, 1), **arguments)
    assert every.shape == (3, 2, *expected.shape[1:])
    for at, box in enumerate(corners):
        for n in range(2):
            wanted = cropped(x[n], box, size, mode, normalized, 0.0)
            np.testing.assert_allclose(every[at, n], wanted, atol=bound)


def test_a_box_is_of_the_image_of_its_number_where_none_is_given() -> None:
    x = some(0, 2, 1, 3, 3)
    boxes = np.array([[0, 0, 2, 2]] * 2, np.uint16)
    result = call("crop_resize", x=x, boxes=boxes, target_height=3, target_width=3, sampling_mode="ALIGN_CORNERS")
    np.testing.assert_allclose(result, x, atol=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    x = some(0, 1, 1, 3, 3)
    boxes = np.array([[0, 0, 2, 2]], np.float32)
    with pytest.raises(ArtifactError, match="image 5"):
        call("crop_resize", x=x, boxes=boxes, box_indices=np.array([5], np.int32))
    with pytest.raises(ArtifactError, match="box_coordinate_mode"):
        call("crop_resize", x=x, boxes=boxes, box_coordinate_mode="CORNERS")
    with pytest.raises(ArtifactError, match="roi"):
        call("crop_resize", "iOS15", x=x, roi=boxes)
    rest = {"padding_value": 0.0, "align_corners": True}
    at = some(1, 1, 2, 2, 2)
    known = {"sampling_mode": "nearest", "padding_mode": "border", "coordinates_mode": "unnormalized"}
    for name in known:
        with pytest.raises(ArtifactError, match=name):
            call("resample", x=x, coordinates=at, **rest, **(known | {name: "else"}))
    with pytest.raises(ArtifactError, match="expected"):
        call("resample", x=x, coordinates=at[..., :1], **rest, **known)
