"""The C of pooling. Channels stand innermost."""

from __future__ import annotations

from edgeproof.spike.engine.images import image, pixels, plus, times
from edgeproof.spike.engine.literals import number
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.writing import block, loop
from edgeproof.spike.program import Pool

__all__ = ["HIGHEST", "pool"]

UNROLLED = 9
"""Numbers of a window that are written down one by one."""

HIGHEST = """
#undef HIGHER
#undef UNORDERED
#if LANES == 16
#define HIGHER(v, x) ((VECTOR)_mm512_max_ps((__m512)(x), (__m512)(v)))
#define UNORDERED(a, b) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), _CMP_UNORD_Q)
#elif LANES == 8
#define HIGHER(v, x) ((VECTOR)_mm256_max_ps((__m256)(x), (__m256)(v)))
#define UNORDERED(a, b) _mm256_movemask_ps(_mm256_cmp_ps((__m256)(a), (__m256)(b), _CMP_UNORD_Q))
#elif LANES == 4
#define HIGHER(v, x) CHOOSE(OR(GT(x, v), NE(x, x)), x, v)
#define UNORDERED(a, b) 0
#endif

#if LANES > 1
/* The maximum of a window of each channel; a number that is none is the maximum of whatever it is among. Without masks
 * there are a vector of channels or more. */
TARGET static inline VECTOR VARIANT(highest_of)(const float *x, int rows, int columns, int channels, int down) {
  VECTOR v = LOAD(x);
  int none = 0;
  for (int ky = 0; ky < rows; ky++)
    for (int kx = 0; kx < columns; kx++) {
      const VECTOR seen = LOAD(x + ky * down + kx * channels);
      none |= UNORDERED(seen, seen);
      v = HIGHER(v, seen);
    }
  if (__builtin_expect(none, 0)) {
    v = LOAD(x);
    for (int ky = 0; ky < rows; ky++)
      for (int kx = 0; kx < columns; kx++) {
        const VECTOR seen = LOAD(x + ky * down + kx * channels);
        v = CHOOSE(OR(GT(seen, v), NE(seen, seen)), seen, v);
      }
  }
  return v;
}

TARGET static inline void VARIANT(highest)(float *restrict y, const float *restrict x, int channels, int rows,
    int columns, int down) {
  int c = 0;
  for (; c + LANES <= channels; c += LANES)
    STORE(y + c, VARIANT(highest_of)(x + c, rows, columns, channels, down));
#if LANES == 16
  if (c < channels) {
    const __mmask16 left = (__mmask16)((1u << (channels - c)) - 1);
    __m512 v = _mm512_maskz_loadu_ps(left, x + c);
    for (int ky = 0; ky < rows; ky++)
      for (int kx = 0; kx < columns; kx++) {
        const __m512 seen = _mm512_maskz_loadu_ps(left, x + c + ky * down + kx * channels);
        const __mmask16 none = _mm512_cmp_ps_mask(seen, seen, _CMP_UNORD_Q);
        v = _mm512_mask_mov_ps(_mm512_max_ps(seen, v), none, seen);
      }
    _mm512_mask_storeu_ps(y + c, left, v);
  }
#else
  if (c < channels) { /* the last vector of them, some of it once more */
    c = channels - LANES;
    STORE(y + c, VARIANT(highest_of)(x + c, rows, columns, channels, down));
  }
#endif
}
#endif
"""


def pool(names: Names, node: Pool) -> list[str]:
    """The maximum or the sum over a window, at the step ``at``.

    Raises:
        ConversionError: its scale is NaN.
    """
    channels, height, width = node.x.shape
    _, rows, columns = node.shape
    copied, x = image(names, node.x)
    (kernel_rows, kernel_columns), (top, left) = node.kernel, node.padding
    whole = (top, left) == (0, 0)
    row, column = (f"{name}{times(step)}" for name, step in zip(("row", "column"), node.stride, strict=True))
    highest = ""
    if whole and node.kind == "max" and kernel_rows * kernel_columns <= UNROLLED:
        highest = (
            f"{names.function('highest')}(y, image + ({row} * {width} + {column}) * {channels}, {channels}, "
            f"{kernel_rows}, {kernel_columns}, {width * channels});"
        )
        names.function("truth")
    if whole and kernel_rows * kernel_columns <= UNROLLED:
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
        if whole:
            del seen[1]
        window = [
            *loop(each, [f"y[c] = {'-INFINITY' if node.kind == 'max' else '0.0f'};"]),
            *loop(
                f"for (int ky = 0; ky < {kernel_rows}; ky++)",
                block(f"for (int kx = 0; kx < {kernel_columns}; kx++)", seen),
            ),
            *(loop(each, [f"y[c] = y[c]{_scaled(node)};"]) if _scaled(node) else []),
        ]
    place = [f"float *const restrict y = results + (row * {columns} + column) * {channels};"]
    place += (
        [f"#if LANES == 16 || (LANES > 1 && LANES <= {channels})", highest, "#else", *window, "#endif"]
        if highest
        else window
    )
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
