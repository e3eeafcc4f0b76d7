"""The fixed part of the generated C for sums of images: events add to them, windows take the largest, and units follow.

Sums stand in 16 bits where no image can overflow them, else in 32, with room beside every line of the image for what
an event adds outside of it.
"""

from __future__ import annotations

from collections.abc import Collection
from string import Template

__all__ = ["HALVES", "STRUCTS", "image_functions"]

HALVES = """
/* Sums of 16 bits in the memory of those of 32. */
#if defined(__GNUC__) || defined(__clang__)
typedef int16_t HALF __attribute__((may_alias));
#else
typedef int16_t HALF;
#endif

/* The C library's way is quicker than the one that compilers write in its place. */
#if defined(__GNUC__) || defined(__clang__)
__attribute__((noinline, unused))
#endif
static void cleared(void *memory, size_t bytes) {
  memset(memory, 0, bytes);
}
"""

_HEAD = """
#undef HALVES
#undef GET_HALVES
#undef PUT_HALVES
#undef LARGER_HALVES
#undef HALF_VECTOR
#undef BYTES
#undef TIMES16
#undef TIMES32
#define TIMES32(a, value) ((a) * SPLAT(value))
#if LANES > 1
#define HALVES (2 * LANES)
typedef int16_t VARIANT(halves) __attribute__((vector_size(4 * LANES)));
typedef int16_t VARIANT(halves_anywhere) __attribute__((vector_size(4 * LANES), aligned(2), may_alias));
#define HALF_VECTOR VARIANT(halves)
#define GET_HALVES(p) ((VARIANT(halves)) * (const VARIANT(halves_anywhere) *)(p))
#define PUT_HALVES(p, a) (*(VARIANT(halves_anywhere) *)(p) = (a))
#if LANES == 16
#define BYTES(p) ((VARIANT(halves))_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(p))))
#define TIMES16(a, value) ((WORD)_mm512_madd_epi16((__m512i)(a), (__m512i)SPLAT((value) & 0xffff)))
#define LARGER_HALVES(a, b) ((VARIANT(halves))_mm512_max_epi16((__m512i)(a), (__m512i)(b)))
#elif LANES == 8
#define BYTES(p) ((VARIANT(halves))_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(p))))
#define TIMES16(a, value) ((WORD)_mm256_madd_epi16((__m256i)(a), (__m256i)SPLAT((value) & 0xffff)))
#define LARGER_HALVES(a, b) ((VARIANT(halves))_mm256_max_epi16((__m256i)(a), (__m256i)(b)))
#else
#define BYTES(p) ((VARIANT(halves))vmovl_s8(vld1_s8(p)))
#define TIMES16(a, value) TIMES32(a, value)
#define LARGER_HALVES(a, b) ((VARIANT(halves))vmaxq_s16((int16x8_t)(a), (int16x8_t)(b)))
#endif
#else
#define HALVES 1
#define TIMES16(a, value) TIMES32(a, value)
#define HALF_VECTOR int32_t
#define GET_HALVES(p) (*(p))
#define PUT_HALVES(p, a) (*(p) = (int16_t)(a))
#define LARGER_HALVES(a, b) larger(a, b)
#endif
"""

_ADDED = {
    "added16": """
/* A row of weights added to sums; its length is a multiple of 16. */
TARGET static inline void VARIANT(added16)(HALF *y, const int8_t *w, int count, int32_t value) {
  (void)value;
#if LANES > 1
  int i = 0;
  for (; i + HALVES <= count; i += HALVES)
    PUT_HALVES(y + i, GET_HALVES(y + i) + BYTES(w + i));
#if LANES == 16
  if (i < count) {
    __m256i *const to = (__m256i *)(y + i);
    const __m256i row = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + i)));
    _mm256_storeu_si256(to, _mm256_add_epi16(_mm256_loadu_si256(to), row));
  }
#endif
#else
  for (int i = 0; i < count; i++) y[i] = (int16_t)(y[i] + w[i]);
#endif
}
""",
    "added32": """
/* A row of weights times a value added to sums; its length is a multiple of 16. */
TARGET static inline void VARIANT(added32)(int32_t *y, const int8_t *w, int count, int32_t value) {
  for (int i = 0; i < count; i += LANES) PUT(y + i, GET(y + i) + GET8(w + i) * SPLAT(value));
}
""",
}

_POOLED = Template("""
/* The largest sum of each window; lines of sums are `line` long, those of results follow one another. What is written
 * behind a place is written over by the next one; there is room behind the last. Sums are zero again afterwards. */
TARGET static inline void VARIANT(pooled$bits)($to *y, $of *sums, const struct pooling *see) {
  const struct pooling s = *see;
  const $of *const x = sums + s.before;
  for (int row = 0; row < s.rows; row++) {
    for (int column = 0; column < s.columns; column++) {
      const $of *const from = x + row * s.down * s.line + column * s.right;
      $to *const place = y + (row * s.columns + column) * s.channels;
      for (int c = 0; c < s.channels; c += $step) {
        $vector most = $get(from + c);
        for (int ky = 0; ky < s.taps_down; ky++)
          for (int kx = 0; kx < s.taps_right; kx++)
            most = $larger(most, $get(from + ky * s.line + kx * s.channels + c));
        $put(place + c, most);
      }
    }
    const int first = row * s.down, last = first + s.down < s.lines ? first + s.down : s.lines;
    cleared(sums + first * s.line, (size_t)((last - first) * s.line) * sizeof *sums);
  }
  const int seen = s.rows * s.down;
  if (seen < s.lines) cleared(sums + seen * s.line, (size_t)((s.lines - seen) * s.line) * sizeof *sums);
}
""")

_FINISHED = Template("""
/* Lines of sums, times a value, in the unit of their result, with their biases: as `finish` does it. */
TARGET static inline void VARIANT(finished$bits)(int32_t *y, const $of *x, const struct finishing *see,
    const int32_t *factor, const int32_t *bias, int32_t value) {
  const struct finishing s = *see;
  for (int row = 0; row < s.rows; row++, x += s.line, y += s.length)
    for (int first = 0; first < s.length; first += s.period) {
      const int rest = s.length - first < s.period ? s.length - first : s.period;
      for (int i = 0; i < rest; i += LANES) {
        WORD sum = $times($get(x + first + i), value);
        if (s.most) sum = SMALLER(LARGER(sum, SPLAT(-s.most)), SPLAT(s.most));
        const WORD found = SCALED(sum, GET(factor + i), s.shift, s.up) + GET(bias + i);
        if (rest - i >= LANES)
          PUT(y + first + i, s.bounded ? found : HELD(found));
        else
          VARIANT(give)(y + first + i, s.bounded ? found : HELD(found), rest - i);
      }
    }
}
""")

STRUCTS = """
/* Windows that move over an image, and how far apart its numbers are. */
struct pooling {
  int rows, columns, channels;
  int taps_down, taps_right;
  int down, right, line; /* lines and numbers from window to window; numbers of a line */
  int before, lines;     /* numbers before those of the image in a line; lines that there are */
};

/* Sums and their results in lines, and how they become results; factors and biases repeat after `period`. */
struct finishing {
  int rows, line, length, period;
  int shift, up, bounded;
  int32_t most;
};
"""

_KINDS = {
    "16": {"bits": "16", "of": "HALF", "to": "HALF", "step": "HALVES", "vector": "HALF_VECTOR", "get": "GET_HALVES",
           "larger": "LARGER_HALVES", "put": "PUT_HALVES"},
    "32": {"bits": "32", "of": "int32_t", "to": "int32_t", "step": "LANES", "vector": "WORD", "get": "GET",
           "larger": "LARGER", "put": "PUT"},
}  # fmt: skip


def image_functions(wanted: Collection[str]) -> str:
    """Those of the functions that are called; ``give`` must stand before them."""
    parts = [text for name, text in _ADDED.items() if name in wanted]
    for bits, words in _KINDS.items():
        if f"pooled{bits}" in wanted:
            parts.append(_POOLED.substitute(words))
        if f"finished{bits}" in wanted:
            get, times = ("GET16", "TIMES16") if bits == "16" else ("GET", "TIMES32")
            parts.append(_FINISHED.substitute(bits=bits, of=words["of"], get=get, times=times))
    return _HEAD + "".join(parts) if parts else ""
