"""The C of pooling. Channels stand innermost."""

from __future__ import annotations

from edgeproof.spike.engine.images import image, pixels, plus, times
from edgeproof.spike.engine.literals import number
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.writing import block, loop
from edgeproof.spike.program import Pool

__all__ = ["pool"]

UNROLLED = 9
"""Numbers of a window that are written down one by one."""


def pool(names: Names, node: Pool) -> list[str]:
    """The maximum or the sum over a window, at the step ``at``.

    Raises:
        ConversionError: its scale is NaN.
    """
    channels, height, width = node.x.shape
    _, rows, columns = node.shape
    copied, x = image(names, node.x)
    (kernel_rows, kernel_columns), (top, left) = node.kernel, node.padding
    row, column = (f"{name}{times(step)}" for name, step in zip(("row", "column"), node.stride, strict=True))
    if (top, left) == (0, 0) and kernel_rows * kernel_columns <= UNROLLED:
        taps = [(ky * width + kx) * channels for ky in range(kernel_rows) for kx in range(kernel_columns)]
        words = [f"x[c{plus(tap)}]" for tap in taps]
        window = [
            f"const float *const x = image + ({row} * {width} + {column}) * {channels};",
            *block(
                f"for (int c = 0; c < {channels}; c++)",
                [
                    f"float v = {words[0] if node.kind == 'max' else '0.0f + ' + words[0]};",
                    *(_take(names, node, "v", word) for word in words[1:]),
                    f"y[c] = v{_scaled(node)};",
                ],
            ),
        ]
    else:
        each = f"for (int c = 0; c < {channels}; c++)"
        seen = [
            f"const int above = {row} + ky{plus(-top)}, before = {column} + kx{plus(-left)};",
            f"if (above < 0 || above >= {height} || before < 0 || before >= {width}) continue;",
            f"const float *const x = image + (above * {width} + before) * {channels};",
            *loop(each, [_take(names, node, "y[c]", "x[c]")]),
        ]
        if (top, left) == (0, 0):
            del seen[1]
        window = [
            *loop(each, [f"y[c] = {'-INFINITY' if node.kind == 'max' else '0.0f'};"]),
            *loop(
                f"for (int ky = 0; ky < {kernel_rows}; ky++)",
                block(f"for (int kx = 0; kx < {kernel_columns}; kx++)", seen),
            ),
            *(loop(each, [f"y[c] = y[c]{_scaled(node)};"]) if _scaled(node) else []),
        ]
    place = [f"float *const restrict y = results + (row * {columns} + column) * {channels};", *window]
    lines = [f"const float *const image = {x};", f"float *const results = {names.row(node)};"]
    return [*copied, *lines, *pixels(rows, columns, place)]


def _take(names: Names, node: Pool, total: str, word: str) -> str:
    if node.kind == "sum":
        return f"{total} += {word};"
    if node.x in names.schedule.binary:
        return f"{total} = {word} > {total} ? {word} : {total};"
    return f"{total} = ({word} > {total}) | ({word} != {word}) ? {word} : {total};"


def _scaled(node: Pool) -> str:
    return "" if node.kind == "max" or node.scale == 1 else f" * {number(node.scale)}"
