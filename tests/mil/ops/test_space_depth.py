"""Between places, channels and batch: against PyTorch where it has the operation, else place by place."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call

from edgeproof.errors import ArtifactError
from edgeproof.mil.registry import find_op
from edgeproof.mil.values import Budget, Limits

Few = settings(max_examples=25, deadline=None, derandomize=True)
SIZE = st.integers(1, 3)
DTYPES = st.sampled_from([np.float32, np.float16])


def numbered(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@given(n=SIZE, channels=SIZE, height=SIZE, width=SIZE, block=SIZE, dtype=DTYPES)
@Few
def test_depth_to_space_and_back(n: int, channels: int, height: int, width: int, block: int, dtype: Any) -> None:
    x = numbered(n, channels * block * block, height, width, dtype=dtype)
    result = call("depth_to_space", x=x, block_size=block)
    assert (result.dtype, result.shape) == (x.dtype, (n, channels, height * block, width * block))
    for image, channel, row, column in np.ndindex(result.shape):
        part = row % block * block + column % block
        assert result[image, channel, row, column] == x[image, part * channels + channel, row // block, column // block]
    np.testing.assert_array_equal(call("space_to_depth", x=result, block_size=block), x, strict=True)


@given(n=SIZE, channels=SIZE, height=SIZE, width=SIZE, factor=SIZE, dtype=DTYPES)
@Few
def test_pixel_shuffle_and_back(n: int, channels: int, height: int, width: int, factor: int, dtype: Any) -> None:
    x = numbered(n, channels * factor * factor, height, width, dtype=dtype)
    result = call("pixel_shuffle", x=x, upscale_factor=factor)
    expected = torch.nn.functional.pixel_shuffle(torch.from_numpy(x), factor).numpy()
    np.testing.assert_array_equal(result, expected, strict=True)
    np.testing.assert_array_equal(call("pixel_unshuffle", x=result, downscale_factor=factor), x, strict=True)


@given(
    n=SIZE,
    channels=SIZE,
    down=SIZE,
    across=SIZE,
    block=st.tuples(SIZE, SIZE),
    edges=st.tuples(*[st.integers(0, 2)] * 4),
)
@Few
def test_space_to_batch_and_back(
    n: int, channels: int, down: int, across: int, block: tuple[int, int], edges: tuple[int, int, int, int]
) -> None:
    (high, wide), (top, bottom, left, right) = block, edges
    height, width = high * down - top - bottom, wide * across - left - right
    if height < 1 or width < 1:
        return
    x = 1 + numbered(n, channels, height, width)
    paddings = np.array([[top, bottom], [left, right]], np.int32)
    result = call("space_to_batch", x=x, block_shape=block, paddings=paddings)
    assert (result.dtype, result.shape) == (x.dtype, (n * high * wide, channels, down, across))
    for (i, j, image), channel in itertools.product(np.ndindex(high, wide, n), range(channels)):
        for row, column in np.ndindex(down, across):
            y, z = row * high + i - top, column * wide + j - left
            inside = 0 <= y < height and 0 <= z < width
            want = x[image, channel, y, z] if inside else 0
            assert result[(i * wide + j) * n + image, channel, row, column] == want
    back = call("batch_to_space", x=result, block_shape=block, crops=paddings)
    np.testing.assert_array_equal(back, x, strict=True)


@pytest.mark.parametrize(
    ("name", "given_"),
    [
        ("depth_to_space", {"block_size": 2}),
        ("space_to_depth", {"block_size": 2}),
        ("space_to_depth", {"block_size": 0}),
        ("pixel_shuffle", {"upscale_factor": 2}),
        ("pixel_unshuffle", {"downscale_factor": 2}),
        ("space_to_batch", {"block_shape": (2, 2), "paddings": np.zeros((2, 2), np.int32)}),
        ("batch_to_space", {"block_shape": (2, 2), "crops": np.zeros((2, 2), np.int32)}),
    ],
)
def test_sizes_that_do_not_divide_are_refused(name: str, given_: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match="does not divide"):
        call(name, x=numbered(1, 3, 3, 3), **given_)
    with pytest.raises(ArtifactError, match="expected 4"):
        call(name, x=numbered(4, 4), **given_)


def test_padding_beyond_the_limit_and_crops_beyond_the_image_are_refused() -> None:
    op = find_op("space_to_batch", "CoreML8")
    assert op is not None
    edges = np.array([[0, 10**6 - 1], [0, 10**6 - 1]], np.int32)
    with pytest.raises(ArtifactError, match="the limit"):
        op.function(numbered(1, 1, 1, 1), (1, 1), edges, Budget(Limits()))
    with pytest.raises(ArtifactError, match="crops"):
        call("batch_to_space", x=numbered(1, 1, 2, 2), block_shape=(1, 1), crops=np.array([[2, 1], [0, 0]], np.int32))
