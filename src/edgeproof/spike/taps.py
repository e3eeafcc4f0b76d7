"""What each tap of a convolution's or pooling's window sees of an image: for what computes them in numpy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeproof.spike.program import Array, Convolution, Pool

__all__ = ["places", "taps"]


def places(node: Convolution | Pool) -> Iterator[tuple[int, int, tuple[slice, slice]]]:
    """The taps in the order of a sum: kernel row, kernel column, and the rows and columns that it sees, one for each
    place of the output, of the padded image."""
    rows, columns = node.shape[1:]
    down, right = node.stride
    kernel, (tall, wide) = (node.kernel, (1, 1)) if isinstance(node, Pool) else (node.weight.shape[2:], node.dilation)
    for ky, kx in np.ndindex(*kernel):
        top, left = ky * tall, kx * wide
        yield (
            ky,
            kx,
            (slice(top, top + down * (rows - 1) + 1, down), slice(left, left + right * (columns - 1) + 1, right)),
        )


def taps(node: Convolution | Pool, x: Array, nothing: float = 0) -> Iterator[tuple[int, int, Array]]:
    """The taps in the order of a sum: kernel row, kernel column, and what it sees of the input.

    Args:
        node: where the window goes.
        x: [channels, height, width].
        nothing: what stands outside of it.

    Yields:
        of what is seen a view, [channels, rows, columns]; for a convolution [groups, channels / groups, rows, columns].
    """
    pad_y, pad_x = node.padding
    padded = np.pad(x, ((0, 0), (pad_y, pad_y), (pad_x, pad_x)), constant_values=nothing)
    if isinstance(node, Convolution):
        padded = padded.reshape(node.groups, -1, *padded.shape[1:])
    for ky, kx, seen in places(node):
        yield ky, kx, padded[(..., *seen)]
