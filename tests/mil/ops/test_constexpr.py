"""Compressed weights made dense, against a walk over every element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call

from edgeproof.errors import ArtifactError

Few = settings(max_examples=30, deadline=None, derandomize=True)
SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
FLOATS = st.sampled_from([np.float32, np.float16])
WHOLES = st.sampled_from([np.int8, np.uint8])
SEEDS = st.integers(0, 10_000)


def packed(values: np.ndarray, bits: int) -> np.ndarray:
    """Bits written one number after the other, the lowest first."""
    stream = "".join(format(int(value), f"0{bits}b")[::-1] for value in values.ravel())
    return np.array([int(stream[at : at + 8][::-1], 2) for at in range(0, len(stream), 8)], np.uint8)


def whole(shape: tuple[int, ...], dtype: Any, seed: int) -> np.ndarray:
    span = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(span.min, span.max, shape, endpoint=True).astype(dtype)


@given(SIZES, FLOATS, WHOLES, st.data(), SEEDS)
@Few
def test_affine_weights_are_scaled(
    shape: tuple[int, ...], wide: Any, dtype: Any, data: st.DataObject, seed: int
) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    vectors = data.draw(st.tuples(st.booleans(), st.booleans()))
    zero = whole((shape[axis],) if vectors[0] else (), dtype, seed + 1)
    scale = np.asarray(np.random.default_rng(seed).normal(size=(shape[axis],) if vectors[1] else ())).astype(wide)
    x = whole(shape, dtype, seed)
    dense = call("constexpr_affine_dequantize", quantized_data=x, zero_point=zero, scale=scale, axis=axis)
    assert dense.dtype == wide
    for place in np.ndindex(shape):
        factor = scale[place[axis]] if vectors[1] else scale
        step = int(x[place]) - int(zero[place[axis]] if vectors[0] else zero)
        assert dense[place] == wide(float(factor) * step)


def test_half_precision_is_cast_to_single() -> None:
    x = np.array([1.5, -65504, np.inf], np.float16)
    given_ = call("constexpr_cast", source_val=x, output_dtype="fp32")
    assert given_.dtype == np.float32
    np.testing.assert_array_equal(given_, x)
    with pytest.raises(ArtifactError, match="not known"):
        call("constexpr_cast", source_val=x, output_dtype="fp16")


@given(SIZES, st.sampled_from([1, 2, 3, 4, 6, 8]), st.sampled_from([np.float16, np.float32, np.int8, np.uint8]), SEEDS)
@Few
def test_flat_palettes_are_looked_up(shape: tuple[int, ...], bits: int, dtype: Any, seed: int) -> None:
    lut = np.random.default_rng(seed).integers(0, 100, 2**bits).astype(dtype)
    indices = np.random.default_rng(seed + 1).integers(0, 2**bits, shape)
    dense = call(
        "constexpr_lut_to_dense", "iOS16", indices=packed(indices, bits), lut=lut, shape=np.array(shape, np.uint32)
    )
    assert dense.dtype == dtype
    np.testing.assert_array_equal(dense, lut[indices])


@given(SIZES, st.sampled_from([np.float16, np.float32, np.int8, np.uint8]), SEEDS)
@Few
def test_elements_are_put_to_where_bits_are_set(shape: tuple[int, ...], dtype: Any, seed: int) -> None:
    mask = np.random.default_rng(seed).integers(0, 2, shape).astype(np.uint8)
    values = np.random.default_rng(seed + 1).integers(1, 100, int(mask.sum())).astype(dtype)
    expected = np.zeros(shape, dtype)
    for place, value in zip((index for index in np.ndindex(shape) if mask[index]), values, strict=True):
        expected[place] = value
    flat = call("constexpr_sparse_to_dense", "iOS16", nonzero_data=values, mask=packed(mask, 1), shape=np.array(shape))
    shaped = call("constexpr_sparse_to_dense", "iOS18", nonzero_data=values, mask=mask)
    for dense in (flat, shaped):
        assert dense.dtype == dtype
        np.testing.assert_array_equal(dense, expected)


def blocks(shape: tuple[int, ...], data: st.DataObject) -> tuple[int, ...]:
    """As many blocks along each dimension as divide it."""
    return tuple(
        data.draw(st.sampled_from([divisor for divisor in range(1, size + 1) if size % divisor == 0])) for size in shape
    )


def block_of(place: tuple[int, ...], shape: tuple[int, ...], count: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(at * many // size for at, size, many in zip(place, shape, count, strict=True))


@given(SIZES, FLOATS, WHOLES, st.data(), SEEDS)
@Few
def test_blocks_are_scaled_dense_and_sparse(
    shape: tuple[int, ...], wide: Any, dtype: Any, data: st.DataObject, seed: int
) -> None:
    count = blocks(shape, data)
    scale = np.random.default_rng(seed).normal(size=count).astype(wide)
    offset = data.draw(st.sampled_from([None, dtype, wide]))
    offsets = None if offset is None else whole(count, dtype, seed + 1).astype(offset)
    x = whole(shape, dtype, seed)
    dense = call("constexpr_blockwise_shift_scale", data=x, scale=scale, offset=offsets)
    assert dense.dtype == wide
    expected = np.zeros(shape, wide)
    for place in np.ndindex(shape):
        block = block_of(place, shape, count)
        step = int(x[place]) - (0 if offsets is None else int(offsets[block]))
        expected[place] = wide(float(scale[block]) * step)
    np.testing.assert_array_equal(dense, expected)
    mask = np.random.default_rng(seed + 2).integers(0, 2, shape).astype(np.uint8)
    given_, values = call(
        "constexpr_sparse_blockwise_shift_scale",
        data_mask=mask,
        nonzero_data=x[mask == 1],
        scale=scale,
        offset=offsets,
    )
    np.testing.assert_array_equal(given_, mask)
    np.testing.assert_array_equal(values, expected[mask == 1])
    assert values.dtype == wide


@given(SIZES, st.sampled_from([1, 2, 3, 4]), st.sampled_from([1, 1, 2, 3]), st.data(), SEEDS)
@Few
def test_palettes_of_groups_and_vectors_are_looked_up_dense_and_sparse(
    shape: tuple[int, ...], bits: int, vector: int, data: st.DataObject, seed: int
) -> None:
    groups = blocks(shape, data)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1)) if vector > 1 else None
    lut = np.random.default_rng(seed).normal(size=(*groups, 2**bits, vector)).astype(np.float16)
    indices = np.random.default_rng(seed + 1).integers(0, 2**bits, shape).astype(np.uint8)
    dense = call("constexpr_lut_to_dense", "iOS18", indices=indices, lut=lut, vector_axis=axis)
    along = 0 if axis is None else axis % len(shape)
    expected = np.zeros([size * vector if dim == along else size for dim, size in enumerate(shape)], np.float16)
    for place in np.ndindex(expected.shape):
        at = tuple(index // vector if dim == along else index for dim, index in enumerate(place))
        expected[place] = lut[(*block_of(at, shape, groups), indices[at], place[along] % vector)]
    assert dense.dtype == np.float16
    np.testing.assert_array_equal(dense, expected)
    mask = np.random.default_rng(seed + 2).integers(0, 2, shape).astype(np.uint8)
    wide_mask, values = call(
        "constexpr_lut_to_sparse",
        indices_mask=mask,
        indices_nonzero_data=indices[mask == 1],
        lut=lut,
        vector_axis=axis,
    )
    np.testing.assert_array_equal(wide_mask, mask if axis is None else mask.repeat(vector, along))
    assert wide_mask.dtype == np.uint8
    np.testing.assert_array_equal(values, expected[wide_mask == 1])


def test_the_documented_vectors_come_out() -> None:
    indices = np.array([[[0, 0], [1, 0]], [[1, 1], [0, 0]]], np.uint8)
    lut = np.array([10, 11, 12, 20, 21, 22], np.int8).reshape(1, 1, 1, 2, 3)
    first = call("constexpr_lut_to_dense", indices=indices, lut=lut, vector_axis=1)
    assert first[0].tolist() == [[10, 10], [11, 11], [12, 12], [20, 10], [21, 11], [22, 12]]
    last = call("constexpr_lut_to_dense", indices=indices, lut=lut, vector_axis=2)
    assert last[1].tolist() == [[20, 21, 22, 20, 21, 22], [10, 11, 12, 10, 11, 12]]


def test_weights_that_do_not_fit_are_told() -> None:
    data, scale = np.zeros((4, 6), np.int8), np.ones((3, 1), np.float32)
    with pytest.raises(ArtifactError, match="into blocks"):
        call("constexpr_blockwise_shift_scale", data=data, scale=scale)
    with pytest.raises(ArtifactError, match="expected one shape"):
        call("constexpr_blockwise_shift_scale", data=data, scale=scale[:2], offset=scale[:1])
    with pytest.raises(ArtifactError, match="places are set"):
        call("constexpr_sparse_to_dense", nonzero_data=np.ones(2, np.int8), mask=np.ones(3, np.uint8))
    with pytest.raises(ArtifactError, match="bits are set"):
        call(
            "constexpr_sparse_to_dense",
            "iOS16",
            nonzero_data=np.ones(2, np.int8),
            mask=np.array([7], np.uint8),
            shape=(3,),
        )
    with pytest.raises(ArtifactError, match="do not hold"):
        call("constexpr_lut_to_dense", "iOS16", indices=np.zeros(2, np.uint8), lut=np.zeros(4, np.float32), shape=(9,))
    with pytest.raises(ArtifactError, match="palette"):
        call("constexpr_lut_to_dense", "iOS16", indices=np.zeros(2, np.uint8), lut=np.zeros(3, np.float32), shape=(2,))
    lut = np.zeros((1, 2, 3), np.float32)
    with pytest.raises(ArtifactError, match="the axis for them"):
        call("constexpr_lut_to_dense", indices=np.zeros(2, np.uint8), lut=lut)
    with pytest.raises(ArtifactError, match="of 2 palettes"):
        call("constexpr_lut_to_dense", indices=np.full(2, 2, np.uint8), lut=lut, vector_axis=0)
    with pytest.raises(ArtifactError, match="the limit is"):
        call(
            "constexpr_lut_to_dense",
            "iOS16",
            indices=np.zeros(2, np.uint8),
            lut=np.zeros(4, np.float32),
            shape=(math.isqrt(2**40),) * 2,
        )
