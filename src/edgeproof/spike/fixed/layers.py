"""The C of layers in whole numbers: by events, sums in 32 bits in place, then each output's factor, shift and bias.

Channels of images stand innermost. Sums of whole numbers have no order, so inputs are taken as they stand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeproof.spike.engine.conv_events import place_seen
from edgeproof.spike.engine.images import pixels, plus, times
from edgeproof.spike.engine.layout import channels_of, places
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import padded
from edgeproof.spike.engine.writing import block
from edgeproof.spike.fixed.program import MOST, Fixed
from edgeproof.spike.fixed.words import Word, Words
from edgeproof.spike.program import Array, Convolution, Linear, Pool

__all__ = ["convolution", "linear", "pool"]


def linear(names: Names, fixed: Fixed, node: Linear) -> list[str]:
    """A linear layer at the step ``at``."""
    layer = fixed.layers[node]
    seen, stands = names.schedule.layouts.places(node.x), names.schedule.layouts.places(node)
    weight = np.empty((node.x.size, node.size), np.int8)
    weight[np.ix_(seen, stands)] = layer.weight.T
    table = names.table("w", weight.reshape(-1))
    added = [
        f"const int8_t *const w = {table} + (size_t)list[k] * {node.size};",
        *_value(fixed, node),
        f"for (int o = 0; o < {node.size}; o++) y[o] += {_times(fixed, node, 'w[o]')};",
    ]
    ordered = [_placed(table, stands) for table in (layer.factor, layer.shift, layer.bias)]
    finished = [f"for (int o = 0; o < {node.size}; o++) {_scaled(names, ordered, 'y[o]', 'o')}"]
    return [*_listed(names, node), *block("for (uint32_t k = 0; k < count; k++)", added), *finished]


def convolution(names: Names, fixed: Fixed, node: Convolution) -> list[str]:
    """A convolution at the step ``at``: each event adds its weights to the outputs that see it."""
    layer = fixed.layers[node]
    channels, _, width = node.x.shape
    outputs, rows, columns = node.shape
    kernel_rows, taps = node.weight.shape[2:]
    share, within = outputs // node.groups, node.weight.shape[1]
    grouped = layer.weight.reshape(node.groups, share, within, kernel_rows, taps).transpose(0, 2, 3, 4, 1)
    table = names.table("w", np.ascontiguousarray(grouped).reshape(-1))
    first = f" + channel / {within} * {share}" if node.groups > 1 else ""
    tap = [
        *place_seen("left", "column", f"kx{times(node.dilation[1])}", node.stride[1], columns),
        f"const int8_t *const w = {table} + (((size_t)channel * {kernel_rows} + ky) * {taps} + kx) * {share};",
        f"int32_t *const to = y + (line * {columns} + left) * {outputs}{first};",
        f"for (int o = 0; o < {share}; o++) to[o] += {_times(fixed, node, 'w[o]')};",
    ]
    down = [
        *place_seen("line", "row", f"ky{times(node.dilation[0])}", node.stride[0], rows),
        *block(f"for (int kx = 0; kx < {taps}; kx++)", tap),
    ]
    order = _elements(names, node)
    event = [
        f"const int event = {f'{order}[list[k]]' if order else '(int)list[k]'};",
        f"const int channel = event % {channels}, place = event / {channels};",
        f"const int row = place / {width}{plus(node.padding[0])}, column = place % {width}{plus(node.padding[1])};",
        *_value(fixed, node),
        *block(f"for (int ky = 0; ky < {kernel_rows}; ky++)", down),
    ]
    finished = [
        f"for (int place = 0; place < {rows * columns}; place++)",
        f"  for (int o = 0; o < {outputs}; o++) "
        + _scaled(names, [layer.factor, layer.shift, layer.bias], f"y[place * {outputs} + o]", "o"),
    ]
    return [*_listed(names, node), *block("for (uint32_t k = 0; k < count; k++)", event), *finished]


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


def _listed(names: Names, node: Linear | Convolution) -> list[str]:
    """The places of a layer's inputs that are not zero; and sums that begin at zero."""
    size = node.x.size
    listed = names.need("list", "uint32_t", padded(size))
    return [
        f"const {names.numbers.type_of(node.x)} *const x = {names.row(node.x)};",
        f"int32_t *const y = {names.row(node)};",
        f"uint32_t *const list = {listed};",
        "uint32_t count = 0;",
        *block(f"for (uint32_t i = 0; i < {size}; i++)", ["list[count] = i;", "count += x[i] != 0;"]),
        f"memset(y, 0, {node.size * 4});",
    ]


def _value(fixed: Fixed, node: Linear | Convolution) -> list[str]:
    """An event's value, if it is not one."""
    if fixed.is_spikes(node.x):
        return []
    layer = fixed.layers[node]
    value = Words(lambda *_: "").shift(Word("x[list[k]]", fixed.bound_of(node.x)), layer.narrow)
    if value.bound <= layer.most:
        return [f"const int32_t value = {value.text};"]
    most = layer.most
    return [
        f"const int32_t full = {value.text};",
        f"const int32_t value = full > {most} ? {most} : full < -{most} ? -{most} : full;",
    ]


def _times(fixed: Fixed, node: Linear | Convolution, weight: str) -> str:
    return weight if fixed.is_spikes(node.x) else f"{weight} * value"


def _scaled(names: Names, parts: Sequence[Array], total: str, index: str) -> str:
    """C that finishes a sum; what is the same for all outputs is written down as a number."""
    words = []
    for kind, values in zip(("f", "h", "b"), parts, strict=True):
        if (values == values[0]).all():
            words.append(str(int(values[0])))
        else:
            words.append(f"{names.table(kind, values.astype(np.int8 if kind == 'h' else np.int32))}[{index}]")
    return f"{total} = scaled({total}, {', '.join(words)});"


def _placed(values: Array, stands: Array) -> Array:
    found = np.empty_like(values)
    found[stands] = values
    return found


def _places(names: Names, node: Pool) -> str | None:
    """A table of where an image's numbers stand, in the order with channels innermost; None where that is the order."""
    x = node.x
    if names.schedule.layouts.of(x) == channels_of(x.shape):
        return None
    elements = np.argsort(places(x.size, x.shape[0]))
    return names.table("p", names.schedule.layouts.places(x)[elements].astype(np.int32))


def _elements(names: Names, node: Convolution) -> str | None:
    """The inverse of ``_places``: for each place of the input, which number it is with channels innermost."""
    x = node.x
    if names.schedule.layouts.of(x) == channels_of(x.shape):
        return None
    found = np.empty(x.size, np.int32)
    found[names.schedule.layouts.places(x)] = places(x.size, x.shape[0])
    return names.table("p", found)
