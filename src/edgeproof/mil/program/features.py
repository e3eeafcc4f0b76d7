"""A model's inputs, outputs and states as its description gives them to a caller."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Description", "Feature", "Image", "Kind", "Signature"]

Kind = Literal["array", "image", "state", "string", "int64", "double", "dictionary", "sequence"]


@dataclass(frozen=True)
class Image:
    """An image as a caller gives it: ``rgb``, ``bgr``, ``grayscale`` or ``grayscale_float16``.

    ``sizes`` are (width, height) pairs that may be given besides the default; ``ranges`` bound width and height.
    """

    width: int
    height: int
    colors: str
    sizes: tuple[tuple[int, int], ...] = ()
    ranges: tuple[tuple[int, int | None], tuple[int, int | None]] | None = None


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
    ranges: tuple[tuple[int, int | None], ...] = ()
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
