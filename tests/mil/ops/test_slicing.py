"""Slices, against a walk along each dimension and against what coremltools computes of constants."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from tests.mil.ops.calling import call, inferred

from edgeproof.errors import ArtifactError

Few = settings(max_examples=40, deadline=None, derandomize=True)
DTYPES = st.sampled_from([np.float32, np.float16, np.int32, np.bool_, np.uint8])


class Cut(NamedTuple):
    """What is taken along one dimension."""

    begin: int
    end: int
    stride: int
    from_edge: bool
    to_edge: bool
    single: bool

    def places(self, size: int) -> list[int]:
        """Walk from the one end to the other."""
        step = self.stride
        if self.single:
            return [0 if self.from_edge else self.begin % size]
        at = (0 if step > 0 else size - 1) if self.from_edge else self.begin + (size if self.begin < 0 else 0)
        end = (size if step > 0 else -1) if self.to_edge else self.end + (size if self.end < 0 else 0)
        at = max(at, 0) if step > 0 else min(at, size - 1)
        found = []
        while 0 <= at < size and (at < end if step > 0 else at > end):
            found.append(at)
            at += step
        return found


@st.composite
def cuts(draw: st.DrawFn, size: int) -> Cut:
    inside = st.integers(-size, size - 1)
    stride = draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
    end = draw(st.integers(-size, size + 2))
    edges = draw(st.sampled_from([(False, False), (True, False), (False, True), (True, True)]))
    return Cut(draw(inside), end, stride, *edges, draw(st.sampled_from([False, False, True])))


def expected(x: np.ndarray, given_: list[Cut]) -> tuple[list[list[int]], tuple[int, ...]]:
    """The places along each dimension, and the shape of what stands there."""
    places = [cut.places(size) for cut, size in zip(given_, x.shape, strict=True)]
    return places, tuple(len(row) for row, cut in zip(places, given_, strict=True) if not cut.single)


def parameters(given_: list[Cut]) -> dict[str, Any]:
    begin, end, stride, begin_mask, end_mask, squeeze_mask = (list(column) for column in zip(*given_, strict=True))
    return {
        "begin": begin,
        "end": end,
        "stride": stride,
        "begin_mask": begin_mask,
        "end_mask": end_mask,
        "squeeze_mask": squeeze_mask,
    }


def numbered(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    return np.arange(math.prod(shape)).reshape(shape).astype(dtype)


@given(shape=array_shapes(min_dims=1, max_dims=4, max_side=5), dtype=DTYPES, data=st.data())
@Few
def test_slice_by_index_walks_along_each_dimension(shape: tuple[int, ...], dtype: Any, data: st.DataObject) -> None:
    x = numbered(shape, dtype)
    given_ = [data.draw(cuts(size)) for size in shape]
    places, wanted = expected(x, given_)
    result = call("slice_by_index", x=x, **parameters(given_))
    assert result.dtype == x.dtype
    np.testing.assert_array_equal(result, x[np.ix_(*places)].reshape(wanted), strict=True)


@given(shape=array_shapes(min_dims=1, max_dims=4, max_side=5), dtype=DTYPES, data=st.data())
@Few
def test_slice_update_replaces_what_slice_by_index_gives(
    shape: tuple[int, ...], dtype: Any, data: st.DataObject
) -> None:
    x = numbered(shape, dtype)
    before = x.copy()
    given_ = [data.draw(cuts(size)) for size in shape]
    places, wanted = expected(x, given_)
    update = (1 - numbered(wanted)).astype(dtype)
    result = call("slice_update", x=x, update=update, **parameters(given_))
    np.testing.assert_array_equal(x, before)
    assert result.dtype == x.dtype
    left = np.ones(shape, bool)
    left[np.ix_(*places)] = False
    np.testing.assert_array_equal(result[left], x[left])
    np.testing.assert_array_equal(result[np.ix_(*places)].reshape(wanted), update)


@pytest.mark.parametrize(
    "masks",
    [
        {},
        {"stride": [2, 1, 3]},
        {"begin_mask": [True, False, True], "end_mask": [False, True, True]},
        {"stride": [-1, -2, 1], "begin_mask": [True, True, False], "end_mask": [True, True, False]},
        {"squeeze_mask": [False, True, False]},
        {"squeeze_mask": [True, False, True], "end_mask": [False, True, False]},
    ],
)
def test_slices_agree_with_coremltools(masks: dict[str, list[Any]]) -> None:
    x = numbered((4, 5, 6))
    for system in ("iOS15", "iOS17", "iOS18"):
        for begin, end in (([0, 1, 2], [3, 4, 5]), ([-3, -4, 1], [-1, 5, 100])):
            given_ = {"begin": begin, "end": end, **masks}
            result = call("slice_by_index", system, x=x, **given_)
            np.testing.assert_array_equal(result, inferred("slice_by_index", system, x=x, **given_), strict=True)
    update = -np.ones_like(result)
    np.testing.assert_array_equal(
        call("slice_update", x=x, update=update, **given_), inferred("slice_update", x=x, update=update, **given_)
    )


@given(shape=array_shapes(min_dims=1, max_dims=4, max_side=5), dtype=DTYPES, data=st.data())
@Few
def test_slice_by_size(shape: tuple[int, ...], dtype: Any, data: st.DataObject) -> None:
    x = numbered(shape, dtype)
    begin, size, places = [], [], []
    for full in shape:
        first = data.draw(st.integers(0, full - 1))
        count = data.draw(st.integers(1, full - first))
        places.append(list(range(first, first + count)))
        begin.append(first - full * data.draw(st.booleans()))
        size.append(-1 if first + count == full and data.draw(st.booleans()) else count)
    result = call("slice_by_size", x=x, begin=begin, size=size)
    np.testing.assert_array_equal(result, x[np.ix_(*places)], strict=True)
    np.testing.assert_array_equal(result, inferred("slice_by_size", "iOS17", x=x, begin=begin, size=size), strict=True)


def test_what_does_not_fit_is_refused() -> None:
    x = numbered((2, 3))
    for name, given_, match in (
        ("slice_by_index", {"begin": [0], "end": [1]}, "begin is for 1"),
        ("slice_by_index", {"begin": [0, 0], "end": [1, 1], "stride": [1, 0]}, "stride is 0"),
        ("slice_by_index", {"begin": [2, 0], "end": [3, 1], "squeeze_mask": [True, False]}, "begin is 2"),
        ("slice_by_size", {"begin": [0, 2], "size": [1, 2]}, "do not fit"),
        ("slice_by_size", {"begin": [0], "size": [1]}, "dimensions"),
        ("slice_update", {"begin": [0, 0], "end": [1, 1], "update": numbered((1, 2))}, "update has the shape"),
    ):
        with pytest.raises(ArtifactError, match=match):
            call(name, x=x, **given_)
