"""Shapes and orders of elements, against what coremltools computes of constants and against loops over places."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from tests.mil.ops.calling import call, inferred

from edgeproof.errors import ArtifactError
from edgeproof.mil.registry import find_op
from edgeproof.mil.values import Budget, Limits

Few = settings(max_examples=30, deadline=None, derandomize=True)
SHAPES = array_shapes(min_dims=1, max_dims=4, max_side=4)
DTYPES = st.sampled_from([np.float32, np.float16, np.int32, np.bool_, np.int8, np.uint16])


def numbered(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """An array in which no element is like another, as far as its dtype has so many."""
    return np.arange(math.prod(shape)).reshape(shape).astype(dtype)


def same(result: Any, expected: Any) -> None:
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected, strict=True)


@given(shape=SHAPES, dtype=DTYPES, data=st.data())
@Few
def test_reshape_keeps_the_order_and_finds_one_size(shape: tuple[int, ...], dtype: Any, data: st.DataObject) -> None:
    x = numbered(shape, dtype)
    wanted = list(data.draw(st.permutations(shape)))
    if len(wanted) > 1 and data.draw(st.booleans()):
        wanted[:2] = [wanted[0] * wanted[1]]
    full = tuple(wanted)
    if data.draw(st.booleans()):
        wanted[data.draw(st.integers(0, len(wanted) - 1))] = -1
    result = call("reshape", "iOS17", x=x, shape=wanted)
    assert result.shape == full
    assert result.ravel().tolist() == x.ravel().tolist()
    same(call("reshape", "iOS15", x=x, shape=wanted), result)


@given(shape=array_shapes(min_dims=2, max_dims=4, max_side=4), data=st.data())
@Few
def test_zeros_in_a_shape_mean_the_sizes_of_x(shape: tuple[int, ...], data: st.DataObject) -> None:
    x = numbered(shape)
    kept = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    wanted = [0 if axis in kept else size for axis, size in enumerate(shape)]
    for system in ("iOS15", "iOS17"):
        same(call("reshape", system, x=x, shape=wanted), inferred("reshape", system, x=x, shape=wanted))
    longer = [*data.draw(st.sampled_from([(1, 0), (-1,), (0, 0, 1), (0, -1)])), *wanted]
    same(call("reshape", "iOS17", x=x, shape=longer), inferred("reshape", "iOS17", x=x, shape=longer))
    with pytest.raises(ArtifactError, match="has a 0"):
        call("reshape", "iOS16", x=x, shape=longer if 0 in longer else [0, *longer])


@pytest.mark.parametrize("shape", [(-1, -1), (5, -1), (4, 4), (-2, 6), (0, 0, 7)])
def test_a_shape_that_does_not_fit_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArtifactError, match="shape"):
        call("reshape", x=numbered((3, 4)), shape=shape)


@given(data=st.data())
@Few
def test_reshape_like_puts_pieces_of_shapes_together(data: st.DataObject) -> None:
    shapes = data.draw(st.lists(SHAPES, min_size=1, max_size=3))
    begins, ends, masks, wanted = [], [], [], []
    for shape in shapes:
        begin = data.draw(st.integers(0, len(shape)))
        end = data.draw(st.integers(begin, len(shape)))
        mask = data.draw(st.booleans())
        wanted += [size for axis, size in enumerate(shape) if axis >= begin and (mask or axis < end)]
        begins, ends, masks = [*begins, np.int32(begin)], [*ends, np.int32(end)], [*masks, np.bool_(mask)]
    x = numbered((math.prod(wanted),))
    parts = {name: tuple(map(np.asarray, indices)) for name, indices in (("begins", begins), ("ends", ends))}
    references = tuple(np.zeros(shape, np.float32) for shape in shapes)
    result = call("reshape_like", x=x, ref_tensors=references, end_masks=tuple(map(np.asarray, masks)), **parts)
    assert result.shape == tuple(wanted)
    assert result.ravel().tolist() == x.tolist()


def test_reshape_like_of_unequally_many_parts_is_refused() -> None:
    x, index = numbered((4,)), (np.asarray(0),)
    with pytest.raises(ArtifactError, match="equally many"):
        call("reshape_like", x=x, ref_tensors=(x,), begins=index, ends=(), end_masks=index)


@given(shape=array_shapes(min_dims=1, max_dims=3, max_side=4), dtype=DTYPES, data=st.data())
@Few
def test_expand_dims_and_squeeze(shape: tuple[int, ...], dtype: Any, data: st.DataObject) -> None:
    x = numbered(shape, dtype)
    rank = len(shape) + data.draw(st.integers(1, 2))
    places = data.draw(st.permutations(range(rank)))[: rank - len(shape)]
    axes = [place - rank if data.draw(st.booleans()) else place for place in places]
    wide = call("expand_dims", x=x, axes=axes)
    sizes = list(shape)
    for place in sorted(places):
        sizes.insert(place, 1)
    assert wide.shape == tuple(sizes)
    assert wide.ravel().tolist() == x.ravel().tolist()
    same(wide, inferred("expand_dims", "iOS17", x=x, axes=axes))
    same(call("squeeze", x=wide, axes=axes), x)
    same(call("squeeze", x=wide), x.reshape([size for size in shape if size != 1]))


def test_squeeze_leaves_dimensions_of_other_sizes() -> None:
    x = numbered((2, 1, 3))
    same(call("squeeze", x=x, axes=(0, 1, -1)), x.reshape(2, 3))
    same(call("squeeze", x=x.reshape(6, 1)[:1], axes=(0, 1)), x.ravel()[0:1].reshape(()))


@pytest.mark.parametrize(("name", "axes"), [("expand_dims", (5,)), ("expand_dims", (0, -4)), ("squeeze", (3,))])
def test_axes_that_x_does_not_have_are_refused(name: str, axes: tuple[int, ...]) -> None:
    with pytest.raises(ArtifactError, match=r"axis|axes"):
        call(name, x=numbered((2, 3)), axes=axes)


@given(shape=SHAPES, dtype=DTYPES, data=st.data())
@Few
def test_transpose_and_reverse(shape: tuple[int, ...], dtype: Any, data: st.DataObject) -> None:
    x = numbered(shape, dtype)
    perm = [axis - len(shape) * data.draw(st.booleans()) for axis in data.draw(st.permutations(range(len(shape))))]
    turned = call("transpose", x=x, perm=perm)
    for place in np.ndindex(x.shape):
        assert turned[tuple(place[axis] for axis in perm)] == x[place]
    same(turned, inferred("transpose", "iOS17", x=x, perm=perm))
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1).map(sorted))
    back = call("reverse", x=x, axes=axes)
    for place in np.ndindex(x.shape):
        mirrored = [
            size - 1 - at if axis in axes else at for axis, (at, size) in enumerate(zip(place, shape, strict=True))
        ]
        assert back[tuple(mirrored)] == x[place]
    same(call("reverse", x=x), inferred("reverse", "iOS17", x=x))


@given(shape=array_shapes(min_dims=2, max_dims=4, max_side=5), dtype=DTYPES, data=st.data())
@Few
def test_reverse_sequence_turns_the_first_of_each(shape: tuple[int, ...], dtype: Any, data: st.DataObject) -> None:
    x = numbered(shape, dtype)
    sequence, batch = data.draw(st.permutations(range(len(shape))))[:2]
    lengths = [data.draw(st.integers(0, shape[sequence])) for _ in range(shape[batch])]
    negative = len(shape) * data.draw(st.booleans())
    result = call(
        "reverse_sequence",
        x=x,
        lengths=np.array(lengths, np.int32),
        seq_axis=sequence - negative,
        batch_axis=batch - negative,
    )
    assert result.dtype == x.dtype
    for place in np.ndindex(x.shape):
        length, source = lengths[place[batch]], list(place)
        if place[sequence] < length:
            source[sequence] = length - 1 - place[sequence]
        assert result[place] == x[tuple(source)]


def test_reverse_sequence_refuses_what_cannot_be() -> None:
    x = numbered((2, 3))
    for lengths, match in (([4, 1], "outside"), ([1], "lengths"), ([-1, 1], "outside")):
        with pytest.raises(ArtifactError, match=match):
            call("reverse_sequence", x=x, lengths=np.array(lengths, np.int32), seq_axis=1, batch_axis=0)
    with pytest.raises(ArtifactError, match="are one"):
        call("reverse_sequence", x=x, lengths=np.array([1, 1], np.int32))


@given(shape=SHAPES, dtype=DTYPES, stride=st.integers(1, 3), data=st.data())
@Few
def test_sliding_windows(shape: tuple[int, ...], dtype: Any, stride: int, data: st.DataObject) -> None:
    x = numbered(shape, dtype)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    size = data.draw(st.integers(1, shape[axis]))
    given_ = {} if stride == 1 else {"stride": stride}
    result = call("sliding_windows", x=x, axis=axis, size=size, **given_)
    along = axis % len(shape)
    count = (shape[along] - size) // stride + 1
    assert result.dtype == x.dtype
    assert result.shape == (*shape[:along], count, size, *shape[along + 1 :])
    for window, place in itertools.product(range(count), range(size)):
        taken = np.take(np.take(result, window, along), place, along)
        assert taken.tolist() == np.take(x, window * stride + place, along).tolist()


def test_sliding_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ArtifactError, match="do not fit"):
        call("sliding_windows", x=numbered((4,)), axis=0, size=5)
    op = find_op("sliding_windows", "CoreML8")
    assert op is not None
    with pytest.raises(ArtifactError, match="the limit"):
        op.function(numbered((100,)), 0, 50, Budget(Limits(bytes=5000)))
