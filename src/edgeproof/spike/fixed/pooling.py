"""The C of pooling in whole numbers. Channels stand innermost."""

from __future__ import annotations

import numpy as np

from edgeproof.spike.engine.images import pixels, plus, times
from edgeproof.spike.engine.layout import channels_of, places
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.writing import block
from edgeproof.spike.fixed.program import MOST, Fixed
from edgeproof.spike.fixed.words import Word, Words
from edgeproof.spike.program import Pool

__all__ = ["pool"]


def pool(names: Names, fixed: Fixed, node: Pool) -> list[str]:
    """The maximum or the sum over a window, at the step ``at``."""
    channels, height, width = node.x.shape
    _, rows, columns = node.shape
    (kernel_rows, kernel_columns), (top, left) = node.kernel, node.padding
    places_in = _places(names, node)
    here = f"(above * {width} + before) * {channels} + c"
    word = f"x[{f'{places_in}[{here}]' if places_in else here}]"
    of = names.numbers.type_of(node)
    if node.kind == "max":
        start, take = f"int32_t v = {-MOST};", [f"const int32_t seen = {word};", "v = seen > v ? seen : v;"]
        found = Words(lambda *_: "").shift(Word("v", MOST), fixed.bits_of(node.x) - fixed.bits_of(node))
        end = f"y[c] = ({of})v;" if fixed.is_spikes(node) else f"y[c] = held({found.text});"
    else:
        scale = fixed.pools[node]
        start, take = "int64_t v = 0;", [f"v += {word};"]
        half = 1 << (scale.shift - 1)
        end = f"y[c] = held((v * {scale.factor} + INT64_C({half})) >> {scale.shift});"
    inside = [
        f"const int above = row{times(node.stride[0])} + ky{plus(-top)};",
        f"const int before = column{times(node.stride[1])} + kx{plus(-left)};",
        *([f"if (above < 0 || above >= {height} || before < 0 || before >= {width}) continue;"] if top or left else []),
        *take,
    ]
    window = [
        start,
        *block(
            f"for (int ky = 0; ky < {kernel_rows}; ky++)",
            block(f"for (int kx = 0; kx < {kernel_columns}; kx++)", inside),
        ),
        end,
    ]
    place = [
        f"{of} *const y = results + (row * {columns} + column) * {channels};",
        *block(f"for (int c = 0; c < {channels}; c++)", window),
    ]
    kind = names.numbers.type_of(node.x)
    return [
        f"const {kind} *const x = {names.row(node.x)};",
        f"{of} *const results = {names.row(node)};",
        *pixels(rows, columns, place),
    ]


def _places(names: Names, node: Pool) -> str | None:
    """A table of where an image's numbers stand, in the order with channels innermost; None where that is the order."""
    x = node.x
    if names.schedule.layouts.of(x) == channels_of(x.shape):
        return None
    elements = np.argsort(places(x.size, x.shape[0]))
    return names.table("p", names.schedule.layouts.places(x)[elements].astype(np.int32))
