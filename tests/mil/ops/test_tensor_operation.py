"""Tensors made, joined, cut, padded and sorted, against coremltools' own constants, torch, and walks over elements."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call, inferred

from edgeproof.errors import ArtifactError

Few = settings(max_examples=30, deadline=None, derandomize=True)
Fewer = settings(max_examples=12, deadline=None, derandomize=True)
SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
DTYPES = st.sampled_from([np.float32, np.float16, np.int32, np.bool_])
NUMBERS = st.sampled_from([np.float32, np.float16, np.int32])
SEEDS = st.integers(0, 10_000)


def numbers(shape: tuple[int, ...], dtype: Any, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).integers(-9, 10, shape)
    return (values > 0 if dtype is np.bool_ else values).astype(dtype)


@given(SIZES, DTYPES)
@Few
def test_a_tensor_is_filled_with_a_value_of_its_dtype(shape: tuple[int, ...], dtype: Any) -> None:
    value = np.array(1, dtype)
    filled = call("fill", shape=np.array(shape, np.int32), value=value)
    like = call("fill_like", ref_tensor=np.zeros(shape, np.int32), value=value)
    for given_ in (filled, like):
        assert given_.dtype == dtype
        assert given_.shape == shape
        assert (given_ == value).all()
    assert call("fill", shape=shape).dtype == call("fill_like", ref_tensor=filled).dtype == np.float32
    np.testing.assert_array_equal(call("shape", x=filled), shape)
    assert call("shape", x=filled).dtype == np.int32


def test_no_more_is_filled_than_there_is_room_for() -> None:
    for name, arguments in (
        ("fill", {"shape": (2**20, 2**20)}),
        ("tile", {"x": np.zeros((1, 1), np.float32), "reps": (2**20, 2**20)}),
        ("pad", {"x": np.zeros(1, np.float32), "pad": (2**40, 0)}),
        ("one_hot", {"indices": np.zeros(9, np.int32), "one_hot_vector_size": 2**40}),
        ("range_1d", {"start": np.float32(0), "end": np.float32(1), "step": np.float32(1e-12)}),
        ("select", {"cond": np.ones((1, 2**18), np.bool_), "a": np.ones((2**18, 1)), "b": np.ones(1)}),
    ):
        with pytest.raises(ArtifactError, match="the limit is"):
            call(name, **{key: np.asarray(value) for key, value in arguments.items()})
    large = np.broadcast_to(np.zeros((), np.float32), (2**16, 2**12))
    for name in ("concat", "stack"):
        with pytest.raises(ArtifactError, match="the limit is"):
            call(name, values=(large,) * 8, axis=0)
    with pytest.raises(ArtifactError, match="was asked for"):
        call("fill", shape=(2, -1))


@given(st.integers(-20, 20), st.integers(-20, 20), st.sampled_from([-3, -1, 1, 2, 7]), NUMBERS)
@Few
def test_a_range_goes_up_to_its_end(start: int, end: int, step: int, dtype: Any) -> None:
    given_ = call("range_1d", start=np.array(start, dtype), end=np.array(end, dtype), step=np.array(step, dtype))
    assert given_.dtype == dtype
    np.testing.assert_array_equal(given_, np.array(range(start, end, step), dtype))


@given(st.floats(-3, 3, width=32), st.floats(0, 5, width=32), st.sampled_from([0.1, 0.3, 0.7, 1.5]))
@Fewer
def test_a_range_of_fractions_is_that_of_coremltools(start: float, length: float, step: float) -> None:
    ends = {"start": np.float32(start), "end": np.float32(start + length), "step": np.float32(step)}
    known = inferred("range_1d", **ends)
    given_ = call("range_1d", **{name: np.asarray(value) for name, value in ends.items()})
    assert abs(len(given_) - len(known)) <= 1
    shared = min(len(given_), len(known))
    np.testing.assert_allclose(given_[:shared], known[:shared], rtol=1e-4, atol=1e-5)


def test_a_range_that_never_ends_is_refused() -> None:
    bound = np.ones((), np.int32)
    for step in (np.zeros((), np.int32), np.zeros((), np.float32)):
        with pytest.raises(ArtifactError, match="step is 0"):
            call("range_1d", start=bound, end=bound, step=step)
    with pytest.raises(ArtifactError, match="no range"):
        call("range_1d", start=np.float32(0), end=np.float32(np.inf), step=np.float32(1))


@given(SIZES, st.integers(-4, 3), st.lists(st.integers(1, 3), min_size=1, max_size=4), DTYPES, SEEDS)
@Few
def test_what_is_joined_can_be_cut_again(
    shape: tuple[int, ...], axis: int, sizes: list[int], dtype: Any, seed: int
) -> None:
    axis %= len(shape)
    parts = tuple(numbers((*shape[:axis], size, *shape[axis + 1 :]), dtype, seed + at) for at, size in enumerate(sizes))
    joined = call("concat", values=parts, axis=axis)
    assert joined.dtype == dtype
    np.testing.assert_array_equal(joined, torch.cat([torch.from_numpy(part) for part in parts], axis).numpy())
    again = call("split", x=joined, axis=axis - len(shape), split_sizes=sizes)
    for cut, part in zip(again, parts, strict=True):
        assert cut.dtype == dtype
        np.testing.assert_array_equal(cut, part)
    if len(set(sizes)) == 1:
        for cut, part in zip(call("split", x=joined, axis=axis, num_splits=len(sizes)), parts, strict=True):
            np.testing.assert_array_equal(cut, part)


@given(SIZES, st.integers(-4, 3), st.integers(1, 4), DTYPES, SEEDS)
@Few
def test_interleaved_elements_take_turns(shape: tuple[int, ...], axis: int, count: int, dtype: Any, seed: int) -> None:
    axis %= len(shape)
    parts = tuple(numbers(shape, dtype, seed + i) for i in range(count))
    joined = call("concat", values=parts, axis=axis, interleave=True)
    assert joined.dtype == dtype
    for i, part in enumerate(parts):
        np.testing.assert_array_equal(joined[(slice(None),) * axis + (slice(i, None, count),)], part)


def test_scalars_are_joined_to_a_vector() -> None:
    scalars = tuple(np.array(number, np.int32) for number in (3, 1, 2))
    np.testing.assert_array_equal(call("concat", values=scalars, axis=0), [3, 1, 2])
    np.testing.assert_array_equal(call("stack", values=scalars, axis=0), [3, 1, 2])


@given(SIZES, st.data(), st.integers(1, 3), DTYPES, SEEDS)
@Few
def test_stacked_tensors_are_found_along_the_new_axis(
    shape: tuple[int, ...], data: st.DataObject, count: int, dtype: Any, seed: int
) -> None:
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    parts = tuple(numbers(shape, dtype, seed + i) for i in range(count))
    stacked = call("stack", values=parts, axis=axis)
    assert stacked.dtype == dtype
    for i, part in enumerate(np.moveaxis(stacked, axis, 0)):
        np.testing.assert_array_equal(part, parts[i])


def test_what_cannot_be_cut_or_repeated_is_told() -> None:
    x = np.zeros((5, 2), np.float32)
    with pytest.raises(ArtifactError, match="equal parts"):
        call("split", x=x, axis=0, num_splits=2)
    with pytest.raises(ArtifactError, match="cannot be cut"):
        call("split", x=x, axis=0, split_sizes=(2, 2))
    with pytest.raises(ArtifactError, match="equal parts"):
        call("split", x=x, axis=0)
    with pytest.raises(ArtifactError, match="times"):
        call("tile", x=x, reps=(2,))


@given(SIZES, st.data(), DTYPES, SEEDS)
@Few
def test_a_tile_is_repeated(shape: tuple[int, ...], data: st.DataObject, dtype: Any, seed: int) -> None:
    reps = tuple(data.draw(st.integers(0, 3)) for _ in shape)
    x = numbers(shape, dtype, seed)
    given_ = call("tile", x=x, reps=reps)
    assert given_.dtype == dtype
    np.testing.assert_array_equal(given_, torch.from_numpy(x).repeat(reps).numpy())


@given(SIZES, st.data(), SEEDS)
@Few
def test_two_dimensions_remain_of_a_flat_tensor(shape: tuple[int, ...], data: st.DataObject, seed: int) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape)))
    x = numbers(shape, np.float32, seed)
    given_ = call("flatten2d", x=x, axis=axis)
    assert given_.shape == (np.prod(shape[:axis], dtype=int), np.prod(shape[axis:], dtype=int))
    np.testing.assert_array_equal(given_.ravel(), x.ravel())


@given(SIZES, st.integers(1, 5), st.integers(1, 5), st.integers(-2, 5), st.integers(-2, 5), DTYPES, SEEDS)
@Few
def test_a_band_is_what_coremltools_keeps(
    lead: tuple[int, ...], rows: int, columns: int, lower: int, upper: int, dtype: Any, seed: int
) -> None:
    x = numbers((*lead[:2], rows, columns), dtype, seed)
    given_ = call("band_part", x=x, lower=lower, upper=upper)
    assert given_.dtype == dtype
    for place in np.ndindex(x.shape):
        ahead = place[-1] - place[-2]
        kept = (lower < 0 or -ahead <= lower) and (upper < 0 or ahead <= upper)
        assert given_[place] == (x[place] if kept else 0)


@given(SIZES, st.integers(-4, 3), st.booleans(), st.booleans(), NUMBERS, SEEDS)
@Few
def test_sums_grow_along_an_axis(
    shape: tuple[int, ...], axis: int, exclusive: bool, reverse: bool, dtype: Any, seed: int
) -> None:
    axis %= len(shape)
    x = numbers(shape, dtype, seed)
    given_ = call("cumsum", x=x, axis=axis, exclusive=exclusive, reverse=reverse)
    assert given_.dtype == dtype
    for place in np.ndindex(shape):
        at = place[axis]
        reach = slice(at + exclusive, None) if reverse else slice(0, at + 1 - exclusive)
        row = x[(*place[:axis], slice(None), *place[axis + 1 :])]
        assert given_[place] == row[reach].sum()


def test_growing_sums_in_half_precision_are_rounded_at_every_step() -> None:
    given_ = call("cumsum", x=np.array([2048, 1, 1, 2, 0.5], np.float16), axis=0)
    np.testing.assert_array_equal(given_, np.array([2048, 2048, 2048, 2050, 2050], np.float16))


@given(SIZES, DTYPES, SEEDS)
@Few
def test_places_that_are_not_0_are_found(shape: tuple[int, ...], dtype: Any, seed: int) -> None:
    x = numbers(shape, dtype, seed) * (numbers(shape, np.bool_, seed + 1))
    given_ = call("non_zero", x=x.astype(dtype))
    assert given_.dtype == np.int32
    assert given_.tolist() == [list(place) for place in np.ndindex(shape) if x[place]]


@given(st.lists(st.integers(1, 3), max_size=3).map(tuple), st.data(), st.integers(1, 5), DTYPES, SEEDS)
@Few
def test_one_is_hot(shape: tuple[int, ...], data: st.DataObject, size: int, dtype: Any, seed: int) -> None:
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    indices = np.random.default_rng(seed).integers(-1, size + 1, shape).astype(np.int32)
    on, off = np.array(1, dtype), np.array(0, dtype)
    given_ = call("one_hot", indices=indices, one_hot_vector_size=size, axis=axis, on_value=on, off_value=off)
    assert given_.dtype == dtype
    rows = np.moveaxis(given_, axis, -1)
    assert rows.shape == (*shape, size)
    for place in np.ndindex(shape):
        assert [bool(hot) for hot in rows[place]] == [i == indices[place] for i in range(size)]
    assert call("one_hot", indices=indices, one_hot_vector_size=size).dtype == np.int32


@given(SIZES, st.data(), st.sampled_from(["constant", "reflect", "replicate"]), NUMBERS, SEEDS)
@Few
def test_a_border_is_that_of_numpy(
    shape: tuple[int, ...], data: st.DataObject, mode: str, dtype: Any, seed: int
) -> None:
    count = data.draw(st.integers(0, len(shape)))
    most = [size - 1 if mode == "reflect" else 3 for size in shape[len(shape) - count :]]
    ends = [(data.draw(st.integers(0, size)), data.draw(st.integers(0, size))) for size in most]
    x = numbers(shape, dtype, seed)
    value = np.array(7, dtype)
    given_ = call("pad", x=x, pad=tuple(itertools.chain(*ends)), mode=mode, constant_val=value)
    every = [(0, 0)] * (len(shape) - count) + ends
    more = {"constant_values": 7} if mode == "constant" else {}
    assert given_.dtype == dtype
    np.testing.assert_array_equal(given_, np.pad(x, every, {"replicate": "edge"}.get(mode, mode), **more))


def test_borders_that_cannot_be_are_told() -> None:
    x = np.zeros((2, 3), np.float32)
    for pad, mode, text in (
        ((3, 0), "reflect", "mirrored"),
        ((1,), "constant", "cannot be padded"),
        ((1, -1), "constant", "cannot be padded"),
        ((1,) * 6, "constant", "cannot be padded"),
        ((1, 1), "circular", "not known"),
    ):
        with pytest.raises(ArtifactError, match=text):
            call("pad", x=x, pad=pad, mode=mode)


@given(SIZES, st.integers(-4, 3), st.booleans(), NUMBERS, SEEDS)
@Few
def test_elements_are_sorted_and_the_first_of_equals_comes_first(
    shape: tuple[int, ...], axis: int, ascending: bool, dtype: Any, seed: int
) -> None:
    axis %= len(shape)
    x = numbers(shape, dtype, seed)
    rows = np.moveaxis(x, axis, -1).reshape(-1, shape[axis]).tolist()
    expected = np.array(
        [sorted(range(len(row)), key=lambda at, row=row: row[at] * (1 if ascending else -1)) for row in rows]
    )
    moved = (*shape[:axis], *shape[axis + 1 :], shape[axis])
    expected = np.moveaxis(expected.reshape(moved), -1, axis)
    given_ = call("argsort", x=x, axis=axis, ascending=ascending)
    assert given_.dtype == np.int32
    np.testing.assert_array_equal(given_, expected)
    count = 1 + seed % shape[axis]
    for system, dtype_name in (("iOS15", None), ("iOS16", None), ("iOS17", "int32"), ("iOS17", "uint16")):
        more = {"output_indices_dtype": dtype_name} if dtype_name else {}
        values, places = call("topk", system, x=x, k=count, axis=axis, ascending=ascending, **more)
        assert values.dtype == dtype
        assert places.dtype == (dtype_name or "int32")
        np.testing.assert_array_equal(places, np.take(expected, range(count), axis))
        np.testing.assert_array_equal(values, np.take_along_axis(x, expected, axis).take(range(count), axis))


@given(st.integers(1, 30), st.booleans(), st.booleans(), st.sampled_from([np.float32, np.int32]), SEEDS)
@Few
def test_the_first_of_many_are_the_same_as_sorted(
    count: int, ascending: bool, ties: bool, dtype: Any, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 40 if ties else 10**6, (2, 1500)).astype(dtype)
    values, places = call("topk", x=x, k=count, ascending=ascending)
    order = np.argsort(x if ascending else -x, axis=-1, kind="stable")[:, :count]
    np.testing.assert_array_equal(places, order)
    np.testing.assert_array_equal(values, np.take_along_axis(x, order, -1))


def test_numbers_without_a_sign_are_sorted_too() -> None:
    x = np.array([3, 0, 255, 3], np.uint8)
    values, places = call("topk", "iOS17", x=x, k=-1)
    np.testing.assert_array_equal(values, [255, 3, 3, 0])
    np.testing.assert_array_equal(places, [2, 0, 3, 1])
    assert call("topk", "iOS16", x=x.astype(np.int32), k=2, return_indices=False).tolist() == [255, 3]
    with pytest.raises(ArtifactError, match="asked for of 4"):
        call("topk", x=x, k=5)
    with pytest.raises(ArtifactError, match="not known"):
        call("topk", x=x, k=1, output_indices_dtype="int8")


@given(
    st.lists(st.sampled_from([1, 1, 3]), min_size=3, max_size=3).map(tuple),
    st.lists(st.sampled_from([1, 3]), max_size=3).map(tuple),
    DTYPES,
    SEEDS,
)
@Few
def test_elements_are_selected_by_a_condition(
    shape: tuple[int, ...], other: tuple[int, ...], dtype: Any, seed: int
) -> None:
    cond, a, b = numbers(other, np.bool_, seed), numbers(shape, dtype, seed), numbers((3, 1), dtype, seed + 1)
    given_ = call("select", cond=cond, a=a, b=b)
    assert given_.dtype == dtype
    assert given_.shape == np.broadcast_shapes(cond.shape, a.shape, b.shape)
    conds, ones, others = np.broadcast_arrays(cond, a, b)
    for place in np.ndindex(given_.shape):
        assert given_[place] == (ones[place] if conds[place] else others[place])


@given(SIZES, SEEDS)
@Fewer
def test_constants_are_what_coremltools_makes_of_them(shape: tuple[int, ...], seed: int) -> None:
    x = numbers(shape, np.float32, seed)
    reps = [1 + (seed + i) % 3 for i in range(len(shape))]
    pads = [i % 2 for i in range(2 * len(shape))]
    for name, arguments in (
        ("tile", {"x": x, "reps": reps}),
        ("pad", {"x": x, "pad": pads, "constant_val": np.float32(2)}),
        ("pad", {"x": x, "pad": pads, "mode": "replicate"}),
        ("cumsum", {"x": x, "axis": len(shape) - 1}),
        ("cumsum", {"x": x, "axis": 0, "reverse": True}),
        ("non_zero", {"x": x}),
        ("shape", {"x": x}),
        ("fill", {"shape": list(shape), "value": np.float32(3)}),
        ("fill_like", {"ref_tensor": x, "value": np.int32(3)}),
        ("split", {"x": np.concatenate([x, x]), "axis": 0, "num_splits": 2}),
    ):
        known = inferred(name, **arguments)
        mine = call(
            name, **{key: value if isinstance(value, str) else np.asarray(value) for key, value in arguments.items()}
        )
        for result, expected in zip(mine, known, strict=True) if isinstance(known, tuple) else [(mine, known)]:
            np.testing.assert_array_equal(result, expected)
