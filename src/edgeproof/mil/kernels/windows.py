"""Windows that slide over the spatial dimensions: padding, sizes, and the elements that each window sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.values import Array

__all__ = ["Padding", "Window", "covered", "frames", "pad_spatial", "widen", "window"]


@dataclass(frozen=True)
class Padding:
    """What an input is padded by, as MIL's ``pad_type`` and ``pad`` say.

    Attributes:
        type: ``valid``: by nothing. ``custom``: by ``sizes``. ``same``: by so many elements that there are
            ``ceil(size / stride)`` places, the odd one behind; ``same_lower``: the odd one before.
        sizes: elements before and after each dimension.
    """

    type: str
    sizes: tuple[int, ...] | None = None


class Window:
    """How a window slides: one entry per spatial dimension.

    Attributes:
        size: of the window, its gaps included.
        before: elements put before the input; negative ones are cut off.
        after: elements put behind it.
        out: places of the window.
    """

    __slots__ = ("after", "before", "dilations", "kernel", "out", "size", "strides")

    def __init__(self, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> None:
        self.kernel = tuple(kernel)
        self.strides = tuple(strides)
        self.dilations = tuple(dilations)
        self.size = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
        self.before: tuple[int, ...] = ()
        self.after: tuple[int, ...] = ()
        self.out: tuple[int, ...] = ()

    @property
    def even(self) -> bool:
        """Whether it is padded alike on both sides, by nothing negative."""
        return self.before == self.after and min(self.before) >= 0

    def padded(self, spatial: Sequence[int]) -> tuple[int, ...]:
        """The size of the input with its padding."""
        return tuple(size + a + b for size, a, b in zip(spatial, self.before, self.after, strict=True))


def widen(given: Sequence[int] | None, rank: int, default: int, name: str) -> tuple[int, ...]:
    """One number per entry, whether given or not.

    Raises:
        ArtifactError: another count was given, or a number below ``default``.
    """
    if given is None:
        return (default,) * rank
    if len(given) != rank:
        raise ArtifactError(f"its {name} are {list(given)}; expected {rank} numbers")
    if default > 0 and min(given) < default:
        raise ArtifactError(f"its {name} are {list(given)}; expected {default} or more")
    return tuple(given)


@lru_cache(maxsize=1024)
def window(
    spatial: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...] | None,
    dilations: tuple[int, ...] | None,
    padding: Padding,
    *,
    ceil: bool = False,
) -> Window:
    """Where a window is placed in an input of the size ``spatial``.

    With ``ceil`` a last window may stick out, if it does not begin in the padding behind.

    Raises:
        ArtifactError: the window fits nowhere, or parameters have other lengths than the window.
    """
    rank = len(spatial)
    if rank not in (1, 2, 3) or len(kernel) != rank:
        raise ArtifactError(f"a window {list(kernel)} over the spatial dimensions {list(spatial)}; expected 1 to 3")
    widen(kernel, rank, 1, "kernel sizes")
    made = Window(kernel, widen(strides, rank, 1, "strides"), widen(dilations, rank, 1, "dilations"))
    pads = _pads(padding, spatial, made)
    before, after, out = [], [], []
    for size, wide, stride, (first, last) in zip(spatial, made.size, made.strides, pads, strict=True):
        room = size + first + last - wide
        places = (room + (stride - 1 if ceil else 0)) // stride + 1
        if ceil and first + last > 0 and (places - 1) * stride >= size + (first + last) / 2:
            places -= 1
        if places < 1:
            raise ArtifactError(f"a window of {wide} does not fit in {size} elements padded by {first} and {last}")
        before.append(first)
        after.append((places - 1) * stride + wide - size - first if ceil else last)
        out.append(places)
    made.before, made.after, made.out = tuple(before), tuple(after), tuple(out)
    return made


def _pads(padding: Padding, spatial: Sequence[int], made: Window) -> list[tuple[int, int]]:
    rank, pad_type = len(spatial), padding.type
    if pad_type == "valid":
        return [(0, 0)] * rank
    if pad_type == "custom":
        given = widen(padding.sizes, 2 * rank, 0, "pads")
        return list(zip(given[::2], given[1::2], strict=True))
    if pad_type not in ("same", "same_lower"):
        raise ArtifactError(f"the pad_type {pad_type!r} is not known; expected valid, same, same_lower or custom")
    pads = []
    for size, wide, stride in zip(spatial, made.size, made.strides, strict=True):
        whole = max(0, (math.ceil(size / stride) - 1) * stride + wide - size)
        less, more = whole // 2, whole - whole // 2
        pads.append((less, more) if pad_type == "same" else (more, less))
    return pads


def pad_spatial(made: Window) -> list[int]:
    """The paddings as torch takes them: last dimension first."""
    return [size for pair in zip(reversed(made.before), reversed(made.after), strict=True) for size in pair]


def frames(x: Array, made: Window) -> Array:
    """What each window sees of a padded input: (n, channels, *out, *kernel), a view."""
    seen = x
    for axis, size in enumerate(made.size, 2):
        seen = np.lib.stride_tricks.sliding_window_view(seen, size, axis)
    places = tuple(slice(0, (o - 1) * s + 1, s) for o, s in zip(made.out, made.strides, strict=True))
    inside = tuple(slice(None, None, d) for d in made.dilations)
    return seen[(slice(None), slice(None), *places, *inside)]


def covered(spatial: Sequence[int], made: Window, pads: Sequence[int]) -> Array:
    """How many elements of each window are in the input, or at most ``pads`` elements outside of it: shape ``out``."""
    counts: Array = np.ones((), np.int64)
    for size, wide, stride, before, places, extra in zip(
        spatial, made.size, made.strides, made.before, made.out, pads, strict=True
    ):
        start = np.arange(places) * stride - before
        low, high = -min(before, extra), size + extra
        line = np.minimum(start + wide, high) - np.maximum(start, low)
        counts = counts[..., None] * np.maximum(line, 0)
    return counts
