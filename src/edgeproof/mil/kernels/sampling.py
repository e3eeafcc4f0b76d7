"""Values between the elements of an array: where they are taken, and what stands there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.values import Array

__all__ = ["grid", "interpolated", "sampled"]


def grid(mode: str, size: float | Array, count: int) -> Array:
    """``count`` places in ``[0, size - 1]``, in float64; of several sizes (boxes, 1) a row for each.

    ``STRICT_ALIGN_CORNERS``: from end to end. ``ALIGN_CORNERS``: so too, but one place stands in the middle.
    ``DEFAULT``: ``size / count`` apart, from 0 on. ``OFFSET_CORNERS``: the middles of ``count`` parts of
    ``max(1, size - 1)``. ``UNALIGN_CORNERS``: the middles of ``count`` parts of ``size``, whose elements are 1 wide.

    Raises:
        ArtifactError: the mode is not known, or there are no places.
    """
    if count < 1:
        raise ArtifactError(f"{count} places to sample; expected 1 or more")
    step = np.arange(count, dtype=np.float64)
    if mode == "ALIGN_CORNERS" and count == 1:
        places = (size - 1) / 2 + step
    elif mode in ("ALIGN_CORNERS", "STRICT_ALIGN_CORNERS"):
        places = step * ((size - 1) / max(1, count - 1))
    elif mode == "DEFAULT":
        places = step * (size / count)
    elif mode == "OFFSET_CORNERS":
        places = (step + 0.5) * (np.maximum(1, size - 1) / count)
    elif mode == "UNALIGN_CORNERS":
        places = (step + 0.5) * (size / count) - 0.5
    else:
        raise ArtifactError(
            f"the sampling_mode {mode!r} is not known; expected DEFAULT, STRICT_ALIGN_CORNERS, ALIGN_CORNERS, "
            "OFFSET_CORNERS or UNALIGN_CORNERS"
        )
    return np.clip(places, 0, size - 1)


def interpolated(x: Array, axis: int, places: Array) -> Array:
    """Along one axis, the values at ``places`` in it, linear between the elements."""
    low = np.floor(places).astype(np.int64)
    share = places - low
    given = tensor(x)
    first = given.index_select(axis, tensor(low))
    if not share.any():
        return array(first)
    second = given.index_select(axis, tensor(np.minimum(low + 1, x.shape[axis] - 1)))
    weight = tensor(share.astype(x.dtype)).reshape(-1, *(1,) * (x.ndim - 1 - axis % x.ndim))
    return array(torch.lerp(first, second, weight))


Border = Callable[[Array, int], Array]


def _border(places: Array, size: int) -> Array:
    return np.asarray(np.clip(places, 0, size - 1))


def _reflection(places: Array, size: int) -> Array:
    """Mirrored at the middles of the first and the last element."""
    if size == 1:
        return np.zeros_like(places)
    turn = np.mod(places, 2 * (size - 1))
    return np.asarray(np.minimum(turn, 2 * (size - 1) - turn))


def _symmetric(places: Array, size: int) -> Array:
    """Mirrored at the outer edges of the first and the last element."""
    turn = np.mod(places + 0.5, 2 * size)
    return np.asarray(np.clip(np.minimum(turn, 2 * size - turn) - 0.5, 0, size - 1))


BORDERS: dict[str, Border] = {"border": _border, "reflection": _reflection, "symmetric": _symmetric}


def sampled(x: Array, across: Array, down: Array, mode: str, border: str, value: float) -> Array:
    """Images (n, channels, h, w) at the places ``across`` and ``down`` (n, *places), in elements.

    Args:
        mode: ``bilinear`` between the four elements around, or the ``nearest`` one (the even one of two as near).
        border: what stands outside: ``constant`` the ``value``; ``border`` the nearest element; ``reflection`` and
            ``symmetric`` the image mirrored, without and with the elements at the edge twice.

    Raises:
        ArtifactError: a mode that is not known.
    """
    if mode not in ("bilinear", "nearest"):
        raise ArtifactError(f"the sampling_mode {mode!r} is not known; expected bilinear or nearest")
    height, width = x.shape[2:]
    if border in BORDERS:
        across, down = BORDERS[border](across, width), BORDERS[border](down, height)
    elif border != "constant":
        raise ArtifactError(f"the padding_mode {border!r} is not known; expected constant, {', '.join(BORDERS)}")
    flat = tensor(x).reshape(*x.shape[:2], -1)

    def element(row: Array, column: Array) -> torch.Tensor:
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        index = np.where(inside, row * width + column, 0).astype(np.int64).reshape(len(x), 1, -1)
        taken = flat.gather(2, tensor(index).expand(-1, x.shape[1], -1))
        if inside.all():
            return taken
        return torch.where(tensor(inside).reshape(len(x), 1, -1), taken, value)

    shape = (*x.shape[:2], *across.shape[1:])
    if mode == "nearest":
        return array(element(np.rint(down), np.rint(across)).reshape(shape))
    left, top = np.floor(across), np.floor(down)
    right, bottom = left + 1, top + 1
    if border != "constant":
        right, bottom = np.minimum(right, width - 1), np.minimum(bottom, height - 1)
    to_right = tensor((across - left).astype(x.dtype)).reshape(len(x), 1, -1)
    to_bottom = tensor((down - top).astype(x.dtype)).reshape(len(x), 1, -1)
    above = torch.lerp(element(top, left), element(top, right), to_right)
    below = torch.lerp(element(bottom, left), element(bottom, right), to_right)
    return array(torch.lerp(above, below, to_bottom).reshape(shape))
