"""The fixed part of the generated C: vectors of each width, and what is done with one of them.

Sums take their terms in ascending order and products are rounded before they are added, so every width gives the same
bits. The widths differ in speed alone.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ADD", "BLOCKS", "FILL", "GIVE", "VARIANTS", "VECTORS", "blocks_of", "by_lanes"]

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

ADD = """
/* Weights of one input, times its value, added to the outputs that see it. */
TARGET static inline void VARIANT(add)(float *restrict y, const float *restrict weights, int count, float value) {
  int i = 0;
#if LANES > 1
  for (; i + LANES <= count; i += LANES) STORE(y + i, LOAD(y + i) + LOAD(weights + i) * SPREAD(value));
#endif
#if LANES == 16
  if (i < count) {
    const __mmask16 left = (__mmask16)((1u << (count - i)) - 1);
    const __m512 more = _mm512_mul_ps(_mm512_maskz_loadu_ps(left, weights + i), _mm512_set1_ps(value));
    _mm512_mask_storeu_ps(y + i, left, _mm512_add_ps(_mm512_maskz_loadu_ps(left, y + i), more));
  }
#else
#if LANES == 8
  for (; i + 4 <= count; i += 4) {
    const __m128 more = _mm_mul_ps(_mm_loadu_ps(weights + i), _mm_set1_ps(value));
    _mm_storeu_ps(y + i, _mm_add_ps(_mm_loadu_ps(y + i), more));
  }
#endif
  for (; i < count; i++) y[i] += weights[i] * value;
#endif
}
"""

FILL = """
/* The same `length` numbers again and again; a multiple of 16. */
TARGET static inline void VARIANT(fill)(float *restrict y, const float *restrict same, int length, int total) {
  int at = 0;
#if LANES > 1
  for (; at + length <= total; at += length)
    for (int i = 0; i < length; i += LANES) STORE(y + at + i, LOAD(same + i));
#endif
  for (; at < total; at += length)
    memcpy(y + at, same, sizeof(float) * (size_t)(total - at < length ? total - at : length));
}
"""

GIVE = """
#if LANES > 1
/* A vector of results, of which so many are wanted. */
TARGET static inline void VARIANT(give)(float *y, VECTOR sums, int wanted) {
  if (wanted >= LANES) {
    STORE(y, sums);
  } else {
#if LANES == 16
    if (wanted > 0) _mm512_mask_storeu_ps(y, (__mmask16)((1u << wanted) - 1), (__m512)sums);
#else
    for (int i = 0; i < LANES; i++)
      if (i < wanted) y[i] = sums[i];
#endif
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
