"""The C of convolutions by events without strides: each adds a line of weights to each line of outputs that sees it.

Sums stand in lines with room on both sides, so that no event is cut off at the left or right. Where all events have the
same value, as spikes have, rows are added up as they are, in 16 bits if these hold every sum; the value is multiplied
once. Where a maximum over windows follows, it is taken of the sums: what brings them to their unit keeps their order.
"""

from __future__ import annotations

import numpy as np

from edgeproof.spike.engine.images import plus
from edgeproof.spike.engine.layout import PLAIN, channels_of, places
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import LANES, padded
from edgeproof.spike.engine.writing import block
from edgeproof.spike.fixed.layers import Finish, listed
from edgeproof.spike.fixed.program import Fixed
from edgeproof.spike.program import Convolution, Pool

__all__ = ["elements", "is_straight", "straight_events"]

SHORT = (1 << 15) - 1


def is_straight(node: Convolution) -> bool:
    """Whether a line of weights goes to a line of outputs as it stands."""
    return node.stride == node.dilation == (1, 1) and node.groups == 1


def straight_events(
    names: Names, fixed: Fixed, node: Convolution, found: Finish, pooled: Pool | None = None
) -> list[str]:
    """A convolution at the step ``at``, with the maximum that follows it if there is one."""
    return _Straight(names, fixed, node, found, pooled).lines()


class _Straight:
    def __init__(self, names: Names, fixed: Fixed, node: Convolution, found: Finish, pooled: Pool | None) -> None:
        self._names, self._fixed, self._node, self._found, self._pooled = names, fixed, node, found, pooled
        self._outputs, self._rows, self._columns = node.shape
        self._taps = node.weight.shape[3]
        self._line = (self._columns + 2 * (self._taps - 1)) * self._outputs
        self._size = self._rows * self._line + LANES
        rows_of_weights = np.abs(fixed.layers[node].weight.astype(np.int64)).reshape(self._outputs, -1).sum(axis=1)
        self._short = int(rows_of_weights.max()) <= SHORT

    def lines(self) -> list[str]:
        """C at the step ``at``."""
        names, node = self._names, self._node
        found, valued = listed(names, self._fixed, node)
        sums = names.need("sums", "int32_t", padded(self._size if valued or not self._short else -(-self._size // 2)))
        head = [f"int32_t *const sums = {sums};", f"int32_t *const y = {names.row(self._pooled or node)};", *found]
        if not valued:
            return [*head, *self._summed(short=self._short, value="1")]
        same = f"const int32_t same = LANES > 1 ? {names.function('same')}(values, count) : 0;"
        if not self._short:
            return [*head, *self._summed(short=False, value="values[k]")]
        return [
            *head,
            same,
            *block("if (same)", self._summed(short=True, value="1", times="same")),
            *block("else", self._summed(short=False, value="values[k]")),
        ]

    def _summed(self, *, short: bool, value: str, times: str = "1") -> list[str]:
        """Events, and what becomes of the sums, which were zero and are so again."""
        bits = 16 if short else 32
        source = "(HALF *)sums" if short else "sums"
        return [*self._events(source, bits, value), *self._finished(source, bits, times)]

    def _events(self, sums: str, bits: int, value: str) -> list[str]:
        node = self._node
        channels, _, width = node.x.shape
        kernel_rows = node.weight.shape[2]
        layer = self._fixed.layers[node]
        length = self._taps * self._outputs
        wide = padded(length)
        weight = np.zeros((channels, kernel_rows, wide), np.int8)
        weight[:, :, :length] = layer.weight[:, :, :, ::-1].transpose(1, 2, 3, 0).reshape(channels, kernel_rows, length)
        table = self._names.table("w", weight.reshape(-1))
        plain = self._names.schedule.layouts.of(node.x) == PLAIN
        order = None if plain else elements(self._names, node)
        split = ("/", "%", node.x.size // channels) if plain else ("%", "/", channels)
        to = f"{sums} + (row - ky) * {self._line} + column * {self._outputs}"
        row = f"{table} + (channel * {kernel_rows} + ky) * {wide}"
        added = f"{self._names.function(f'added{bits}')}({to}, {row}, {wide}, {value});"
        event = [
            f"const int event = {f'{order}[list[k]]' if order else '(int)list[k]'};",
            "const int channel = event {0} {2}, place = event {1} {2};".format(*split),
            f"const int row = place / {width}{plus(node.padding[0])}, column = place % {width}{plus(node.padding[1])};",
            f"const int first = row < {self._rows} ? 0 : row - {self._rows - 1};",
            f"const int last = row < {kernel_rows} ? row : {kernel_rows - 1};",
            "for (int ky = first; ky <= last; ky++)",
            f"  {added}",
        ]
        return block("for (uint32_t k = 0; k < count; k++)", event)

    def _finished(self, sums: str, bits: int, times: str) -> list[str]:
        names, found = self._names, self._found
        inside = f"{sums}{plus((self._taps - 1) * self._outputs)}"
        if self._pooled is None:
            see = self._sizes(self._rows, self._line, self._columns * self._outputs)
            return [
                f"{names.function(f'finished{bits}')}(y, {inside}, &{see}, {found.factor}, {found.bias}, {times});",
                f"cleared(sums, {self._size * bits // 8});",
            ]
        (taps_down, taps_right), (down, right) = self._pooled.kernel, self._pooled.stride
        _, rows, columns = self._pooled.shape
        windows = names.sizes(
            "pooling", rows=rows, columns=columns, channels=self._outputs, taps_down=taps_down, taps_right=taps_right,
            down=down, right=right * self._outputs, line=self._line,
            before=(self._taps - 1) * self._outputs, lines=self._rows,
        )  # fmt: skip
        room = names.need("largest", "int32_t", padded(self._pooled.size) + LANES)
        largest = f"(HALF *){room}" if bits == 16 else room
        see = self._sizes(1, 0, self._pooled.size)
        return [
            f"{names.function(f'pooled{bits}')}({largest}, {sums}, &{windows});",
            f"{names.function(f'finished{bits}')}(y, {largest}, &{see}, {found.factor}, {found.bias}, {times});",
        ]

    def _sizes(self, rows: int, line: int, length: int) -> str:
        found = self._found
        return self._names.sizes(
            "finishing", rows=rows, line=line, length=length, period=found.period, shift=found.shift, up=found.up,
            bounded=int(found.bounded), most=found.most,
        )  # fmt: skip


def elements(names: Names, node: Convolution) -> str | None:
    """A table: for each place of the input, which number it is with channels innermost."""
    x = node.x
    if names.schedule.layouts.of(x) == channels_of(x.shape):
        return None
    found = np.empty(x.size, np.int32)
    found[names.schedule.layouts.places(x)] = places(x.size, x.shape[0])
    return names.table("p", found)
