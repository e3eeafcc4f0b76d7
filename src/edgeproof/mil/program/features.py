"""A model's inputs, outputs and states as its description gives them to a caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Description", "Feature", "Image", "Kind", "Range", "Signature", "within"]

Kind = Literal["array", "image", "state", "string", "int64", "double", "dictionary", "sequence"]


Range = tuple[int, int | None]
"""Least and greatest size; None: no bound."""


def within(sizes: Sequence[int], ranges: Sequence[Range]) -> bool:
    """Whether there are as many sizes as ranges, and each lies in its own."""
    return len(sizes) == len(ranges) and all(
        least <= size and (most is None or size <= most) for size, (least, most) in zip(sizes, ranges, strict=True)
    )


@dataclass(frozen=True)
class Image:
    """An image as a caller gives it: ``rgb``, ``bgr``, ``grayscale`` or ``grayscale_float16``.

    ``sizes`` are (width, height) pairs that may be given besides the default; ``ranges`` bound width and height.
    """

    width: int
    height: int
    colors: str
    sizes: tuple[tuple[int, int], ...] = ()
    ranges: tuple[Range, Range] | None = None


@dataclass(frozen=True)
class Feature:
    """One input, output or state.

    Attributes:
        dtype: numpy's name; "" where the kind is no array.
        shape: the default shape.
        shapes: all shapes that may be given, where they are enumerated.
        ranges: least and greatest size per dimension (None: no bound), where they are ranges.
        default: the value of an input that may be left out; None where it may not.
    """

    name: str
    kind: Kind
    dtype: str = ""
    shape: tuple[int, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    ranges: tuple[Range, ...] = ()
    image: Image | None = None
    optional: bool = False
    default: float | None = None


@dataclass(frozen=True)
class Signature:
    """The call of one function. ``label`` and ``probabilities`` name a classifier's outputs, "" where it is none."""

    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    states: tuple[Feature, ...] = ()
    label: str = ""
    probabilities: str = ""


@dataclass(frozen=True)
class Description:
    """What a package says of itself."""

    version: int
    functions: dict[str, Signature]
    default: str
    metadata: dict[str, str] = field(default_factory=dict)
