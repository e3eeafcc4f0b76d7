"""How the C of convolutions and pooling reads images, whose channels it wants innermost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeproof.spike.engine.layout import channels_of, places
from edgeproof.spike.engine.names import Names, padded_places
from edgeproof.spike.engine.schedule import padded
from edgeproof.spike.engine.writing import block, loop
from edgeproof.spike.program import Convolution, Node

__all__ = ["framed", "image", "pixels", "plus", "times"]


def image(names: Names, x: Node) -> tuple[list[str], str]:
    """C that copies an image, if its channels do not stand innermost; and where it is at the step ``at``."""
    if names.schedule.layouts.of(x) == channels_of(x.shape):
        return [], names.row(x)
    to = names.need("sorted", "float", padded(x.size))
    return loop(f"for (int i = 0; i < {x.size}; i++)", [f"{to}[i] = {names.element(x, _seen(names, x) + '[i]')};"]), to


def framed(names: Names, node: Convolution) -> tuple[list[str], int]:
    """C that makes ``image`` of the input in a frame of zeros; and how many numbers a row of it has."""
    channels, height, width = node.x.shape
    top, left = node.padding
    if (top, left) == (0, 0):
        copied, x = image(names, node.x)
        return [*copied, f"const float *const image = {x};"], width * channels
    line = (width + 2 * left) * channels
    to = names.need(f"frame{names.number(node)}", "float", (height + 2 * top) * line)
    inside = f"row * {line} + {top * line + left * channels}"
    if names.schedule.layouts.of(node.x) == channels_of(node.x.shape):
        copied = [f"memcpy({to} + {inside}, {names.row(node.x)} + row * {width * channels}, {width * channels * 4});"]
    else:
        source = names.element(node.x, f"{_seen(names, node.x)}[row * {width * channels} + i]")
        copied = loop(f"for (int i = 0; i < {width * channels}; i++)", [f"{to}[{inside} + i] = {source};"])
    return [*loop(f"for (int row = 0; row < {height}; row++)", copied), f"const float *const image = {to};"], line


def _seen(names: Names, x: Node) -> str:
    """A table of where an image's numbers stand, in the order with channels innermost."""
    elements = np.argsort(places(x.size, x.shape[0]))
    return names.table("p", padded_places(names.schedule.layouts.places(x)[elements]))


def pixels(rows: int, columns: int, body: Sequence[str]) -> list[str]:
    return loop(
        f"for (int row = 0; row < {rows}; row++)", block(f"for (int column = 0; column < {columns}; column++)", body)
    )


def times(factor: int) -> str:
    return "" if factor == 1 else f" * {factor}"


def plus(value: int) -> str:
    return f" + {value}" if value > 0 else f" - {-value}" if value else ""
