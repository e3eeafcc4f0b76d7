"""The fixed part of the generated C: lists of what is not zero, and their weights summed up, for vectors of each width.

Sums take their terms in ascending order and products are rounded before they are added, so every width gives the same
bits. The widths differ in speed alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["ADD", "BLOCKS", "GIVE", "NONZERO", "VARIANTS", "VECTORS", "blocks_of", "by_lanes", "event_sums"]

BLOCKS = (64, 32, 16)
"""Outputs summed up together, in registers."""


def blocks_of(size: int) -> list[tuple[int, int]]:
    """(width, how many) of the blocks of so many outputs, widest first; ``size`` is a multiple of 16."""
    found = []
    for width in BLOCKS:
        count, size = divmod(size, width)
        if count:
            found.append((width, count))
    return found


def by_lanes(texts: Sequence[str]) -> str:
    """One text for each width of vectors: 16, 8, 4 and none."""
    heads = ("#if LANES == 16", "#elif LANES == 8", "#elif LANES == 4", "#else")
    return "".join(f"{head}\n{text}" for head, text in zip(heads, texts, strict=True)) + "#endif\n"


def event_sums(widths: Collection[int]) -> str:
    """Sums over listed inputs, for blocks of these many outputs."""
    wanted = [width for width in BLOCKS if width in widths]
    if not wanted:
        return ""
    texts = (
        [_sum(width, 16) for width in wanted],
        [_sum(width, 8) for width in wanted],
        [_sum_in_halves(width) if width > 16 else _sum(width, 4) for width in wanted],
        [_sum_plain(width) for width in wanted],
    )
    return SUMS + by_lanes(["".join(text) for text in texts])


def _head(width: int) -> str:
    return f"""TARGET static void VARIANT(sum{width})(float *restrict y, const float *bias, const float *weights,
    const uint32_t *list, uint32_t count, const float *x) {{
"""


def _sum(width: int, lanes: int) -> str:
    """One block of outputs at one time step: bias, then each listed input's weights."""
    names = [f"a{i}" for i in range(width // lanes)]
    load = "\n".join(f"  VECTOR {name} = LOAD(bias + {i * lanes});" for i, name in enumerate(names))
    plain = "\n".join(f"      {name} += LOAD(row + {i * lanes});" for i, name in enumerate(names))
    times = "\n".join(f"      {name} += LOAD(row + {i * lanes}) * value;" for i, name in enumerate(names))
    store = "\n".join(f"  STORE(y + {i * lanes}, {name});" for i, name in enumerate(names))
    return f"""{_head(width)}{load}
  if (x) {{
    for (uint32_t k = 0; k < count; k++) {{
      const float *row = weights + (size_t)list[k] * {width};
      const VECTOR value = SPREAD(x[list[k]]);
{times}
    }}
  }} else {{
    for (uint32_t k = 0; k < count; k++) {{
      const float *row = weights + (size_t)list[k] * {width};
{plain}
    }}
  }}
{store}
}}
"""


def _sum_in_halves(width: int) -> str:
    """Where there are too few registers for the whole block."""
    return f"""{_head(width)}  for (int half = 0; half < {width}; half += 16) {{
    VECTOR a0 = LOAD(bias + half), a1 = LOAD(bias + half + 4), a2 = LOAD(bias + half + 8), a3 = LOAD(bias + half + 12);
    for (uint32_t k = 0; k < count; k++) {{
      const float *row = weights + (size_t)list[k] * {width} + half;
      if (x) {{
        const VECTOR value = SPREAD(x[list[k]]);
        a0 += LOAD(row) * value;
        a1 += LOAD(row + 4) * value;
        a2 += LOAD(row + 8) * value;
        a3 += LOAD(row + 12) * value;
      }} else {{
        a0 += LOAD(row);
        a1 += LOAD(row + 4);
        a2 += LOAD(row + 8);
        a3 += LOAD(row + 12);
      }}
    }}
    STORE(y + half, a0);
    STORE(y + half + 4, a1);
    STORE(y + half + 8, a2);
    STORE(y + half + 12, a3);
  }}
}}
"""


def _sum_plain(width: int) -> str:
    return f"""{_head(width)}  for (int i = 0; i < {width}; i++) y[i] = bias[i];
  for (uint32_t k = 0; k < count; k++) {{
    const float *row = weights + (size_t)list[k] * {width};
    const float value = x ? x[list[k]] : 1.0f;
    for (int i = 0; i < {width}; i++) y[i] += row[i] * value;
  }}
}}
"""


SUMS = """
/* Outputs that stand side by side: the bias, and each listed input's weights, times its value where there is x. */
"""

VECTORS = """
#if LANES > 1
typedef float VARIANT(vector) __attribute__((vector_size(4 * LANES), may_alias));
typedef float VARIANT(anywhere) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define VECTOR VARIANT(vector)
#define LOAD(p) ((VECTOR) * (const VARIANT(anywhere) *)(p))
#define STORE(p, v) (*(VARIANT(anywhere) *)(p) = (v))
#define SPREAD(s) ((s) - (VECTOR){0})
#endif
"""

NONZERO = """
/* The places of the numbers that are not zero, ascending; how many there are. `list` has room for `size` + 16. */
TARGET static uint32_t VARIANT(nonzero)(const float *x, uint32_t size, uint32_t *list) {
  uint32_t count = 0, i = 0;
#if LANES == 16
  const __m512i steps = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  for (; i + 16 <= size; i += 16) {
    const __mmask16 found = _mm512_cmp_ps_mask(_mm512_loadu_ps(x + i), _mm512_setzero_ps(), _CMP_NEQ_UQ);
    const __m512i places = _mm512_add_epi32(steps, _mm512_set1_epi32((int)i));
    _mm512_storeu_si512(list + count, _mm512_maskz_compress_epi32(found, places));
    count += (uint32_t)__builtin_popcount(found);
  }
#elif LANES == 8
  for (; i + 8 <= size; i += 8) {
    uint32_t found =
        (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(x + i), _mm256_setzero_ps(), _CMP_NEQ_UQ));
    for (; found; found &= found - 1) list[count++] = i + (uint32_t)__builtin_ctz(found);
  }
#endif
  for (; i < size; i++) {
    list[count] = i;
    count += x[i] != 0.0f;
  }
  return count;
}
"""

ADD = """
/* Weights of one input, times its value, added to the outputs that see it. */
TARGET static inline void VARIANT(add)(float *restrict y, const float *restrict weights, int count, float value) {
  int i = 0;
#if LANES > 1
  for (; i + LANES <= count; i += LANES) STORE(y + i, LOAD(y + i) + LOAD(weights + i) * SPREAD(value));
#endif
  for (; i < count; i++) y[i] += weights[i] * value;
}
"""

GIVE = """
#if LANES > 1
/* A vector of results, of which so many are wanted. */
TARGET static inline void VARIANT(give)(float *y, VECTOR sums, int wanted) {
  if (wanted >= LANES) {
    STORE(y, sums);
  } else {
    for (int i = 0; i < LANES; i++)
      if (i < wanted) y[i] = sums[i];
  }
}
#endif
"""

VARIANTS = """
#ifdef HAS_AVX512
#define VARIANT(name) name##_avx512
#define LANES 16
#ifdef __clang__
#define TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl")))
#else
#define TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,prefer-vector-width=512")))
#endif
#include "{file}"
#undef VARIANT
#undef LANES
#undef TARGET
#endif
#ifdef HAS_AVX2
#define VARIANT(name) name##_avx2
#define LANES 8
#define TARGET __attribute__((target("avx2")))
#include "{file}"
#undef VARIANT
#undef LANES
#undef TARGET
#endif
#define VARIANT(name) name##_plain
/* Not the vectors of 32-bit ARM: they take subnormal numbers for zero. */
#if EDGEPROOF_WIDEST >= 4 && defined(__GNUC__) && (defined(__SSE2__) || defined(__aarch64__))
#define LANES 4
#else
#define LANES 1
#endif
#define TARGET
#include "{file}"
"""
