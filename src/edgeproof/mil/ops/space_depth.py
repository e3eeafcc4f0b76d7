"""Between the places of an image (n, channels, height, width), its channels, and its batch."""

from __future__ import annotations

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = ["batch_to_space", "depth_to_space", "pixel_shuffle", "pixel_unshuffle", "space_to_batch", "space_to_depth"]


def _whole(size: int, parts: int, what: str) -> int:
    if parts < 1 or size % parts:
        raise ArtifactError(f"its {what} is {size}, which does not divide into {parts}")
    return size // parts


def _image(x: Array) -> tuple[int, int, int, int]:
    if x.ndim != 4:
        raise ArtifactError(f"x has {x.ndim} dimensions; expected 4")
    n, channels, height, width = x.shape
    return n, channels, height, width


@op("depth_to_space", moves=True)
def depth_to_space(x: Array, block_size: int) -> Array:
    """(n, c, h, w) as (n, c / b^2, h * b, w * b): channel ``(i * b + j) * c / b^2 + k`` gives ``(i, j)`` of blocks."""
    n, channels, height, width = _image(x)
    b = block_size
    less = _whole(channels, b * b, "number of channels")
    blocks = x.reshape(n, b, b, less, height, width).transpose(0, 3, 4, 1, 5, 2)
    return blocks.reshape(n, less, height * b, width * b)


@op("space_to_depth", moves=True)
def space_to_depth(x: Array, block_size: int) -> Array:
    """(n, c, h, w) as (n, c * b^2, h / b, w / b): the way back from ``depth_to_space``."""
    n, channels, height, width = _image(x)
    b = block_size
    rows, columns = _whole(height, b, "height"), _whole(width, b, "width")
    blocks = x.reshape(n, channels, rows, b, columns, b).transpose(0, 3, 5, 1, 2, 4)
    return blocks.reshape(n, channels * b * b, rows, columns)


@op("pixel_shuffle", moves=True)
def pixel_shuffle(x: Array, upscale_factor: int) -> Array:
    """(n, c, h, w) as (n, c / f^2, h * f, w * f): channel ``k * f^2 + i * f + j`` gives ``(i, j)`` of blocks."""
    n, channels, height, width = _image(x)
    f = upscale_factor
    less = _whole(channels, f * f, "number of channels")
    blocks = x.reshape(n, less, f, f, height, width).transpose(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, less, height * f, width * f)


@op("pixel_unshuffle", "iOS16", moves=True)
def pixel_unshuffle(x: Array, downscale_factor: int) -> Array:
    """(n, c, h, w) as (n, c * f^2, h / f, w / f): the way back from ``pixel_shuffle``."""
    n, channels, height, width = _image(x)
    f = downscale_factor
    rows, columns = _whole(height, f, "height"), _whole(width, f, "width")
    blocks = x.reshape(n, channels, rows, f, columns, f).transpose(0, 1, 3, 5, 2, 4)
    return blocks.reshape(n, channels * f * f, rows, columns)


def _edges(given: Array, name: str) -> tuple[tuple[int, int], tuple[int, int]]:
    if given.shape != (2, 2) or given.min() < 0:
        raise ArtifactError(f"its {name} are {given.tolist()}; expected two pairs of numbers, none below 0")
    (top, bottom), (left, right) = given.tolist()
    return (top, bottom), (left, right)


def _block(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) != 2 or min(shape) < 1:
        raise ArtifactError(f"its block_shape is {list(shape)}; expected two sizes")
    return shape[0], shape[1]


@op("space_to_batch", moves=True)
def space_to_batch(x: Array, block_shape: tuple[int, ...], paddings: Array, budget: Budget) -> Array:
    """Padded with zeros, (n, c, h, w) becomes (n * bh * bw, c, h / bh, w / bw).

    Of each block of (bh, bw) pixels, pixel ``(i, j)`` of image ``n`` goes to image ``(i * bw + j) * n_all + n``.
    """
    n, channels, height, width = _image(x)
    high, wide = _block(block_shape)
    rows, columns = _edges(paddings, "paddings")
    height, width = height + sum(rows), width + sum(columns)
    budget.room((n, channels, height, width), x.itemsize)
    padded = np.pad(x, ((0, 0), (0, 0), rows, columns))
    down, across = _whole(height, high, "padded height"), _whole(width, wide, "padded width")
    blocks = padded.reshape(n, channels, down, high, across, wide).transpose(3, 5, 0, 1, 2, 4)
    return blocks.reshape(high * wide * n, channels, down, across)


@op("batch_to_space", moves=True)
def batch_to_space(x: Array, block_shape: tuple[int, ...], crops: Array) -> Array:
    """(n, c, h, w) becomes (n / (bh * bw), c, h * bh, w * bw), from which the edges are cropped.

    The way back from ``space_to_batch``, with ``crops`` for its paddings.
    """
    n, channels, height, width = _image(x)
    high, wide = _block(block_shape)
    (top, bottom), (left, right) = _edges(crops, "crops")
    fewer = _whole(n, high * wide, "batch")
    blocks = x.reshape(high, wide, fewer, channels, height, width).transpose(2, 3, 4, 0, 5, 1)
    full = blocks.reshape(fewer, channels, height * high, width * wide)
    if top + bottom > height * high or left + right > width * wide:
        raise ArtifactError(f"its crops {crops.tolist()} are more than {height * high} by {width * wide}")
    return full[:, :, top : height * high - bottom, left : width * wide - right]
