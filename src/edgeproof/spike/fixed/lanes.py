"""The fixed part of the generated C for whole numbers side by side: one text for vectors of 16, 8 and 4, and for none.

A word is ``LANES`` whole numbers of 32 bits, a truth as many answers. What is written with these macros computes the
same in every width; whole numbers have no rounding that could differ.
"""

from __future__ import annotations

import re
from string import Template

from edgeproof.spike.fixed.program import LIMIT

__all__ = ["LANES", "UNDEFINED", "VARIANTS"]

VARIANTS = """
#ifdef HAS_AVX512
#define VARIANT(name) name##_avx512
#define LANES 16
#ifdef __clang__
#define TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl"), unused))
#else
#define TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,prefer-vector-width=512"), unused))
#endif
#include "{file}"
#undef VARIANT
#undef LANES
#undef TARGET
#endif
#ifdef HAS_AVX2
#define VARIANT(name) name##_avx2
#define LANES 8
#define TARGET __attribute__((target("avx2"), unused))
#include "{file}"
#undef VARIANT
#undef LANES
#undef TARGET
#endif
#define VARIANT(name) name##_plain
#ifdef HAS_NEON
#define LANES 4
#else
#define LANES 1
#endif
#if defined(__GNUC__) || defined(__clang__)
#define TARGET __attribute__((unused))
#else
#define TARGET
#endif
#include "{file}"
"""

INCLUDED = """
/* Whether the processor multiplies and adds in one instruction; 0 leaves that out. */
#ifndef HAS_VNNI
#define HAS_VNNI __builtin_cpu_supports("avx512vnni")
#endif
#if EDGEPROOF_WIDEST >= 4 && defined(__ARM_NEON) && (defined(__GNUC__) || defined(__clang__))
#include <arm_neon.h>
#define HAS_NEON
#endif
"""

_PLAIN = Template("""
#define WORD int32_t
#define TRUTH int
#define GET(p) (*(p))
#define PUT(p, a) (*(p) = (a))
#define GET8(p) ((int32_t) * (p))
#define PUT8(p, a) (*(p) = (int8_t)(a))
#define GET16(p) ((int32_t) * (p))
#define PUT16(p, a) (*(p) = (int16_t)(a))
#define PUT_TRUTH(p, t) (*(p) = (int8_t)(t))
#define SPLAT(s) (s)
#define ONE(t) (t)
#define PICK(t, a, b) ((t) ? (a) : (b))
#define SUB_WHERE(t, a, b) ((t) ? (a) - (b) : (a))
#define NOT(t) (!(t))
#define GT(a, b) ((a) > (b))
#define GE(a, b) ((a) >= (b))
#define LT(a, b) ((a) < (b))
#define LE(a, b) ((a) <= (b))
#define EQ(a, b) ((a) == (b))
#define NE(a, b) ((a) != (b))
#define GT_NEAR(a, b) ((int)((uint32_t)((b) - (a)) >> 31))
#define LT_NEAR(a, b) GT_NEAR(b, a)
#define LARGER(a, b) larger(a, b)
#define SMALLER(a, b) smaller(a, b)
#define SCALED(a, f, k, up) multiplied(a, f, k, up)
#define SIZED(size, padded) (size)
#define ADD_REALS(p, a, unit) (*(p) += (float)(a) * (unit))
#define PUT_REALS(p, a, unit) (*(p) = (float)(a) * (unit))
""")

_VECTORS = """
typedef int32_t VARIANT(word) __attribute__((vector_size(4 * LANES)));
typedef int32_t VARIANT(words) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float VARIANT(real) __attribute__((vector_size(4 * LANES)));
typedef float VARIANT(reals) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int64_t VARIANT(long) __attribute__((vector_size(4 * LANES)));
typedef uint64_t VARIANT(ulong) __attribute__((vector_size(4 * LANES)));
#define WORD VARIANT(word)
#define GET(p) ((WORD) * (const VARIANT(words) *)(p))
#define PUT(p, a) (*(VARIANT(words) *)(p) = (a))
#define GT_NEAR(a, b) GT(a, b)
#define LT_NEAR(a, b) LT(a, b)
#define SPLAT(s) ((WORD){0} + (s))
#define SCALED(a, f, k, up) VARIANT(scaled)(a, f, k, up)
#define SIZED(size, padded) (padded)
#define REALS(a, unit) (__builtin_convertvector((a), VARIANT(real)) * (unit))
#define ADD_REALS(p, a, unit) (*(VARIANT(reals) *)(p) += REALS(a, unit))
#define PUT_REALS(p, a, unit) (*(VARIANT(reals) *)(p) = REALS(a, unit))
"""

_MASKS = """
#define TRUTH __mmask16
#define GET8(p) ((WORD)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(p))))
#define GET16(p) ((WORD)_mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)(p))))
#define PUT8(p, a) _mm_storeu_si128((__m128i *)(p), _mm512_cvtepi32_epi8((__m512i)(a)))
#define PUT16(p, a) _mm256_storeu_si256((__m256i *)(p), _mm512_cvtepi32_epi16((__m512i)(a)))
#define PUT_TRUTH(p, t) _mm_storeu_si128((__m128i *)(p), _mm_maskz_mov_epi8(t, _mm_set1_epi8(1)))
#define ONE(t) ((WORD)_mm512_maskz_set1_epi32(t, 1))
#define PICK(t, a, b) ((WORD)_mm512_mask_blend_epi32(t, (__m512i)(b), (__m512i)(a)))
#define SUB_WHERE(t, a, b) ((WORD)_mm512_mask_sub_epi32((__m512i)(a), t, (__m512i)(a), (__m512i)(b)))
#define NOT(t) ((__mmask16)~(t))
#define GT(a, b) _mm512_cmpgt_epi32_mask((__m512i)(a), (__m512i)(b))
#define GE(a, b) _mm512_cmpge_epi32_mask((__m512i)(a), (__m512i)(b))
#define LT(a, b) _mm512_cmplt_epi32_mask((__m512i)(a), (__m512i)(b))
#define LE(a, b) _mm512_cmple_epi32_mask((__m512i)(a), (__m512i)(b))
#define EQ(a, b) _mm512_cmpeq_epi32_mask((__m512i)(a), (__m512i)(b))
#define NE(a, b) _mm512_cmpneq_epi32_mask((__m512i)(a), (__m512i)(b))
#define LARGER(a, b) ((WORD)_mm512_max_epi32((__m512i)(a), (__m512i)(b)))
#define SMALLER(a, b) ((WORD)_mm512_min_epi32((__m512i)(a), (__m512i)(b)))
"""

_COMPARED = """
#define TRUTH WORD
#if LANES == 8
#define GET8(p) ((WORD)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p))))
#define GET16(p) ((WORD)_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(p))))
#define PUT16(p, a) _mm_storeu_si128((__m128i *)(p), _mm256_castsi256_si128(_mm256_permute4x64_epi64( \\
    _mm256_packs_epi32((__m256i)(a), (__m256i)(a)), 8)))
#define PUT8(p, a) VARIANT(put8)(p, a)
#define PICK(t, a, b) ((WORD)_mm256_blendv_epi8((__m256i)(b), (__m256i)(a), (__m256i)(t)))
#define LARGER(a, b) ((WORD)_mm256_max_epi32((__m256i)(a), (__m256i)(b)))
#define SMALLER(a, b) ((WORD)_mm256_min_epi32((__m256i)(a), (__m256i)(b)))
#else
#define GET8(p) VARIANT(get8)(p)
#define PUT8(p, a) VARIANT(put8)(p, a)
#define PICK(t, a, b) ((WORD)vbslq_s32((uint32x4_t)(t), (int32x4_t)(a), (int32x4_t)(b)))
#define LARGER(a, b) ((WORD)vmaxq_s32((int32x4_t)(a), (int32x4_t)(b)))
#define SMALLER(a, b) ((WORD)vminq_s32((int32x4_t)(a), (int32x4_t)(b)))
#define GET16(p) ((WORD)vmovl_s16(vld1_s16((const int16_t *)(p))))
#define PUT16(p, a) vst1_s16((int16_t *)(p), vmovn_s32((int32x4_t)(a)))
#endif
#define PUT_TRUTH(p, t) PUT8(p, -(t))
#define ONE(t) (-(t))
#define SUB_WHERE(t, a, b) ((a) - ((t) & (b)))
#define NOT(t) (~(t))
#define GT(a, b) ((WORD)((a) > (b)))
#define GE(a, b) ((WORD)((a) >= (b)))
#define LT(a, b) ((WORD)((a) < (b)))
#define LE(a, b) ((WORD)((a) <= (b)))
#define EQ(a, b) ((WORD)((a) == (b)))
#define NE(a, b) ((WORD)((a) != (b)))

/* Numbers that 8 bits hold. */
#if LANES == 8
TARGET static inline void VARIANT(put8)(int8_t *p, WORD a) {
  const __m128i low = _mm256_castsi256_si128((__m256i)a), high = _mm256_extracti128_si256((__m256i)a, 1);
  const __m128i halves = _mm_packs_epi32(low, high);
  _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(halves, halves));
}
#else
TARGET static inline void VARIANT(put8)(int8_t *p, WORD a) {
  const int16x4_t halves = vmovn_s32((int32x4_t)a);
  const int32_t four = vget_lane_s32(vreinterpret_s32_s8(vmovn_s16(vcombine_s16(halves, halves))), 0);
  memcpy(p, &four, 4);
}

TARGET static inline WORD VARIANT(get8)(const int8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return (WORD)vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)))));
}
#endif
"""

_PRODUCTS = """
/* a * f * 2^-k, rounded to the nearest, halves up; the result fits 32 bits. Even and odd lanes are multiplied apart.
 * Where a may go up by so many bits, and f by the rest, the upper halves of the products are the result. */
TARGET static inline WORD VARIANT(scaled)(WORD a, WORD f, int k, int up) {
#if LANES == 4
  (void)up;
  const int64x2_t by = vdupq_n_s64(-k);
  const int64x2_t low = vrshlq_s64(vmull_s32(vget_low_s32((int32x4_t)a), vget_low_s32((int32x4_t)f)), by);
  const int64x2_t high = vrshlq_s64(vmull_s32(vget_high_s32((int32x4_t)a), vget_high_s32((int32x4_t)f)), by);
  return (WORD)vcombine_s32(vmovn_s64(low), vmovn_s64(high));
#else
  if (up >= 0) {
    a <<= up;
    f <<= 32 - k - up;
    k = 32;
  }
  const VARIANT(long) half = (VARIANT(long)){0} + ((int64_t)1 << (k - 1));
#if LANES == 16
#define PRODUCTS(a, f) ((VARIANT(ulong))(half + (VARIANT(long))_mm512_mul_epi32((__m512i)(a), (__m512i)(f))))
#define UPPER(even, odd) ((WORD)_mm512_permutex2var_epi32((__m512i)(even), \\
    _mm512_set_epi32(31, 15, 29, 13, 27, 11, 25, 9, 23, 7, 21, 5, 19, 3, 17, 1), (__m512i)(odd)))
#define BLEND(even, odd) ((WORD)_mm512_mask_blend_epi32(0xaaaa, (__m512i)(even), (__m512i)(odd)))
#else
#define PRODUCTS(a, f) ((VARIANT(ulong))(half + (VARIANT(long))_mm256_mul_epi32((__m256i)(a), (__m256i)(f))))
#define UPPER(even, odd) BLEND((even) >> 32, odd)
#define BLEND(even, odd) ((WORD)_mm256_blend_epi32((__m256i)(even), (__m256i)(odd), 0xaa))
#endif
  const VARIANT(ulong) even = PRODUCTS(a, f);
  const VARIANT(ulong) odd = PRODUCTS((VARIANT(ulong))a >> 32, (VARIANT(ulong))f >> 32);
  return k == 32 ? UPPER(even, odd) : k < 32 ? BLEND(even >> k, odd << (32 - k)) : UPPER(even, odd) >> (k - 32);
#undef PRODUCTS
#undef UPPER
#undef BLEND
#endif
}
"""

_COMMON = Template("""
/* a * 2^-k, rounded to the nearest, halves up; no sum can overflow. */
#define SHIFTED(a, k) ((((a) >> ((k) - 1)) + 1) >> 1)
#define HELD(a) SMALLER(LARGER(a, SPLAT(-$limit)), SPLAT($limit))
""")

LANES = (
    "#if LANES == 1"
    + _PLAIN.substitute()
    + "#else"
    + _VECTORS
    + "#if LANES == 16"
    + _MASKS
    + "#else"
    + _COMPARED
    + "#endif"
    + _PRODUCTS
    + "#endif"
    + _COMMON.substitute(limit=LIMIT)
)
"""What the functions of a variant are written with."""

UNDEFINED = "".join(f"#undef {macro}\n" for macro in sorted(set(re.findall(r"#define (\w+)", LANES))))
"""What stands before it: each variant has macros of its own."""
