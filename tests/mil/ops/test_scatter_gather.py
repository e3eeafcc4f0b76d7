"""Gather and scatter, against walks over every element and what coremltools computes of constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call, inferred

from edgeproof.errors import ArtifactError

Few = settings(max_examples=30, deadline=None, derandomize=True)
Fewer = settings(max_examples=12, deadline=None, derandomize=True)
SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
DTYPES = st.sampled_from([np.float32, np.float16, np.int32])
SYSTEMS = st.sampled_from(["iOS15", "iOS16", "iOS17", "iOS18"])
SEEDS = st.integers(0, 10_000)
NEW = ("iOS17", "iOS18")
MODES = ["update", "add", "sub", "mul", "div", "max", "min"]


def numbers(shape: tuple[int, ...], dtype: Any, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(dtype)


def indices_of(shape: tuple[int, ...], size: int, system: str, seed: int) -> np.ndarray:
    low = 0 if system in NEW else -size
    return np.random.default_rng(seed + 1).integers(low, size, shape).astype(np.int32)


def changed(old: Any, new: Any, mode: str, dtype: Any) -> Any:
    """One update of one element, rounded to the dtype."""
    if mode == "div" and np.dtype(dtype).kind == "i":
        quotient = abs(int(old)) // abs(int(new))
        return quotient if (old < 0) == (new < 0) else -quotient
    steps = {
        "update": lambda: new,
        "add": lambda: old + new,
        "sub": lambda: old - new,
        "mul": lambda: old * new,
        "div": lambda: old / new,
        "max": lambda: max(old, new),
        "min": lambda: min(old, new),
    }
    with np.errstate(over="ignore"):
        return np.dtype(dtype).type(steps[mode]())


@given(SIZES, st.lists(st.integers(1, 3), max_size=2).map(tuple), st.integers(-4, 3), DTYPES, SYSTEMS, SEEDS)
@Few
def test_gather_takes_slices_across_an_axis(
    shape: tuple[int, ...], wanted: tuple[int, ...], axis: int, dtype: Any, system: str, seed: int
) -> None:
    axis %= len(shape)
    x, indices = numbers(shape, dtype, seed), indices_of(wanted, shape[axis], system, seed)
    given_ = np.asarray(call("gather", system, x=x, indices=indices, axis=axis))
    assert given_.dtype == dtype
    assert given_.shape == shape[:axis] + wanted + shape[axis + 1 :]
    for place in np.ndindex(given_.shape):
        index = indices[place[axis : axis + len(wanted)]]
        assert given_[place] == x[(*place[:axis], index, *place[axis + len(wanted) :])]


@given(SIZES, st.lists(st.integers(1, 3), max_size=2).map(tuple), st.data(), SEEDS)
@Few
def test_gather_has_batches(shape: tuple[int, ...], wanted: tuple[int, ...], data: st.DataObject, seed: int) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    batch = data.draw(st.integers(0, axis))
    system = data.draw(st.sampled_from(["iOS16", "iOS17"]))
    x = numbers(shape, np.float32, seed)
    indices = indices_of(shape[:batch] + wanted, shape[axis], system, seed)
    given_ = np.asarray(call("gather", system, x=x, indices=indices, axis=axis, batch_dims=batch))
    assert given_.shape == shape[:axis] + wanted + shape[axis + 1 :]
    for place in np.ndindex(given_.shape):
        index = indices[place[:batch] + place[axis : axis + len(wanted)]]
        assert given_[place] == x[(*place[:axis], index, *place[axis + len(wanted) :])]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16])
def test_gather_takes_narrow_dtypes(dtype: Any) -> None:
    x = np.arange(12).astype(dtype).reshape(3, 4)
    given_ = call("gather", "iOS17", x=x, indices=np.array([2, 0], dtype), axis=1)
    assert given_.dtype == dtype
    np.testing.assert_array_equal(given_, x[:, [2, 0]])


@given(SIZES, st.integers(-4, 3), st.integers(1, 5), DTYPES, SYSTEMS, SEEDS)
@Few
def test_gather_along_an_axis_takes_each_element_by_itself(
    shape: tuple[int, ...], axis: int, count: int, dtype: Any, system: str, seed: int
) -> None:
    axis %= len(shape)
    x = numbers(shape, dtype, seed)
    indices = indices_of((*shape[:axis], count, *shape[axis + 1 :]), shape[axis], system, seed)
    given_ = call("gather_along_axis", system, x=x, indices=indices, axis=axis)
    assert given_.dtype == dtype
    assert given_.shape == indices.shape
    for place in np.ndindex(indices.shape):
        assert given_[place] == x[(*place[:axis], indices[place], *place[axis + 1 :])]


@given(SIZES, st.lists(st.integers(1, 3), max_size=2).map(tuple), st.data(), SYSTEMS, SEEDS)
@Few
def test_gather_nd_takes_slices_at_places(
    shape: tuple[int, ...], wanted: tuple[int, ...], data: st.DataObject, system: str, seed: int
) -> None:
    batch = 0 if system == "iOS15" else data.draw(st.integers(0, len(shape) - 1))
    depth = data.draw(st.integers(1, len(shape) - batch))
    x = numbers(shape, np.float32, seed)
    columns = [indices_of(shape[:batch] + wanted, shape[batch + i], system, seed + i) for i in range(depth)]
    indices = np.stack(columns, -1)
    more = {} if system == "iOS15" else {"batch_dims": batch}
    given_ = np.asarray(call("gather_nd", system, x=x, indices=indices, **more))
    assert given_.shape == shape[:batch] + wanted + shape[batch + depth :]
    for place in np.ndindex(shape[:batch] + wanted):
        np.testing.assert_array_equal(given_[place], x[(*place[:batch], *indices[place])])


@given(SIZES, st.integers(-4, 3), st.integers(0, 5), st.sampled_from(MODES), DTYPES, SYSTEMS, SEEDS)
@Few
def test_scatter_updates_slices_in_turn(
    shape: tuple[int, ...], axis: int, count: int, mode: str, dtype: Any, system: str, seed: int
) -> None:
    axis %= len(shape)
    data = numbers(shape, dtype, seed)
    indices = indices_of((count,), shape[axis], system, seed)
    updates = numbers((*shape[:axis], count, *shape[axis + 1 :]), dtype, seed + 2)
    updates[updates == 0] = 3
    expected = data.copy()
    for place in np.ndindex(updates.shape):
        at = (*place[:axis], indices[place[axis]], *place[axis + 1 :])
        expected[at] = changed(expected[at], updates[place], mode, dtype)
    kept = data.copy()
    given_ = call("scatter", system, data=data, indices=indices, updates=updates, axis=axis, mode=mode)
    assert given_.dtype == dtype
    np.testing.assert_array_equal(given_, expected)
    np.testing.assert_array_equal(data, kept)


@given(SIZES, st.integers(-4, 3), st.integers(1, 5), st.sampled_from(MODES), DTYPES, SYSTEMS, SEEDS)
@Few
def test_scatter_along_an_axis_updates_elements_in_turn(
    shape: tuple[int, ...], axis: int, count: int, mode: str, dtype: Any, system: str, seed: int
) -> None:
    axis %= len(shape)
    data = numbers(shape, dtype, seed)
    indices = indices_of((*shape[:axis], count, *shape[axis + 1 :]), shape[axis], system, seed)
    updates = numbers(indices.shape, dtype, seed + 2)
    updates[updates == 0] = 3
    expected = data.copy()
    for place in np.ndindex(updates.shape):
        at = (*place[:axis], indices[place], *place[axis + 1 :])
        expected[at] = changed(expected[at], updates[place], mode, dtype)
    given_ = call("scatter_along_axis", system, data=data, indices=indices, updates=updates, axis=axis, mode=mode)
    assert given_.dtype == dtype
    np.testing.assert_array_equal(given_, expected)


@given(SIZES, st.lists(st.integers(1, 3), max_size=2).map(tuple), st.data(), DTYPES, SYSTEMS, SEEDS)
@Few
def test_scatter_nd_updates_slices_at_places_in_turn(
    shape: tuple[int, ...], wanted: tuple[int, ...], data: st.DataObject, dtype: Any, system: str, seed: int
) -> None:
    depth, mode = data.draw(st.integers(1, len(shape))), data.draw(st.sampled_from(MODES))
    x = numbers(shape, dtype, seed)
    indices = np.stack([indices_of(wanted, shape[i], system, seed + i) for i in range(depth)], -1)
    updates = numbers(wanted + shape[depth:], dtype, seed + 2)
    updates[updates == 0] = 3
    expected = x.copy()
    for place in np.ndindex(updates.shape):
        at = (*indices[place[: len(wanted)]], *place[len(wanted) :])
        expected[at] = changed(expected[at], updates[place], mode, dtype)
    given_ = call("scatter_nd", system, data=x, indices=indices, updates=updates, mode=mode)
    assert given_.dtype == dtype
    np.testing.assert_array_equal(given_, expected)


@given(SIZES, st.integers(-4, 3), SEEDS, st.sampled_from(["iOS16", "iOS17"]))
@Fewer
def test_constants_are_gathered_as_coremltools_does(shape: tuple[int, ...], axis: int, seed: int, system: str) -> None:
    axis %= len(shape)
    x, indices = numbers(shape, np.float32, seed), indices_of((3, 2), shape[axis], system, seed)
    known = inferred("gather", system, x=x, indices=indices, axis=axis)
    np.testing.assert_array_equal(call("gather", system, x=x, indices=indices, axis=axis), known)
    along = indices_of((*shape[:axis], 3, *shape[axis + 1 :]), shape[axis], system, seed)
    known = inferred("gather_along_axis", system, x=x, indices=along, axis=axis)
    np.testing.assert_array_equal(call("gather_along_axis", system, x=x, indices=along, axis=axis), known)


OUTSIDE: list[tuple[str, dict[str, np.ndarray]]] = [
    ("gather", {"x": np.ones((3, 2), np.float32), "indices": np.array([0, 3], np.int32)}),
    ("gather", {"x": np.ones((3, 2), np.float32), "indices": np.array([-4, 0], np.int32)}),
    ("gather_along_axis", {"x": np.ones((3, 2), np.float32), "indices": np.array([[0, 3]], np.int32)}),
    ("gather_nd", {"x": np.ones((3, 2), np.float32), "indices": np.array([[0, 2]], np.int32)}),
    (
        "scatter",
        {
            "data": np.ones((3, 2), np.float32),
            "indices": np.array([1, 3], np.int32),
            "updates": np.ones((2, 2), np.float32),
        },
    ),
    (
        "scatter_along_axis",
        {
            "data": np.ones((3, 2), np.float32),
            "indices": np.array([[1, 3]], np.int32),
            "updates": np.ones((1, 2), np.float32),
        },
    ),
    (
        "scatter_nd",
        {
            "data": np.ones((3, 2), np.float32),
            "indices": np.array([[1, 2]], np.int32),
            "updates": np.ones(1, np.float32),
        },
    ),
]


@pytest.mark.parametrize(("name", "arguments"), OUTSIDE)
def test_an_index_outside_is_refused_where_it_is_checked(name: str, arguments: dict[str, np.ndarray]) -> None:
    with pytest.raises(ArtifactError, match="was asked for of"):
        call(name, "iOS16", **arguments)
    with pytest.raises(ArtifactError, match="was asked for of"):
        call(name, "iOS17", validate_indices=True, **arguments)
    call(name, "iOS17", **arguments)


def test_from_ios17_on_an_index_below_0_is_outside() -> None:
    x, indices = np.array([[1, 2], [3, 4]], np.float32), np.array([-1, 0, 2], np.int32)
    np.testing.assert_array_equal(call("gather", "iOS16", x=x, indices=indices[:2]), [[3, 4], [1, 2]])
    np.testing.assert_array_equal(call("gather", "iOS17", x=x, indices=indices), [[0, 0], [1, 2], [0, 0]])
    np.testing.assert_array_equal(call("gather", "iOS17", x=x, indices=indices, axis=1), [[0, 1, 0], [0, 3, 0]])
    np.testing.assert_array_equal(
        call("gather", "iOS17", x=x, indices=np.array([[-1, 0], [1, 9]], np.int32), axis=1, batch_dims=1),
        [[0, 1], [4, 0]],
    )
    places = np.array([[-1, 0], [1, 1]], np.int32)
    np.testing.assert_array_equal(call("gather_nd", "iOS17", x=x, indices=places), [0, 4])
    np.testing.assert_array_equal(call("gather_nd", "iOS17", x=x, indices=places[:, :1]), [[0, 0], [3, 4]])
    np.testing.assert_array_equal(call("gather_along_axis", "iOS17", x=x, indices=places, axis=0), [[0, 2], [3, 4]])
    ones = np.ones((2, 2), np.float32)
    np.testing.assert_array_equal(call("scatter", "iOS17", data=x, indices=indices[:2], updates=ones), [[2, 3], [3, 4]])
    np.testing.assert_array_equal(
        call("scatter_along_axis", "iOS17", data=x, indices=places, updates=ones, axis=1), [[2, 2], [3, 6]]
    )
    np.testing.assert_array_equal(
        call("scatter_nd", "iOS17", data=x, indices=places, updates=ones[0]), [[1, 2], [3, 5]]
    )


def test_updates_of_another_shape_are_refused() -> None:
    data, indices = np.zeros((3, 2), np.float32), np.array([0], np.int32)
    with pytest.raises(ArtifactError, match="expected"):
        call("scatter", data=data, indices=indices, updates=np.zeros((2, 2), np.float32))
    with pytest.raises(ArtifactError, match="expected"):
        call("scatter_nd", data=data, indices=indices[None], updates=np.zeros((1, 3), np.float32))
    with pytest.raises(ArtifactError, match="mode"):
        call("scatter", data=data, indices=indices, updates=np.zeros((1, 2), np.float32), mode="xor")


def test_sums_in_half_precision_are_rounded_at_every_step() -> None:
    data, ones = np.full(1, 2048, np.float16), np.ones(4, np.float16)
    given_ = call("scatter", data=data, indices=np.zeros(4, np.int32), updates=ones, mode="add")
    assert given_.dtype == np.float16
    assert given_[0] == 2048
