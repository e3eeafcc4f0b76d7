"""The fixed part of the generated C for vectors of truth values, and choices by them: masks where there are some."""

from __future__ import annotations

__all__ = ["TRUTHS"]

TRUTHS = """
#undef GT
#undef GE
#undef LT
#undef LE
#undef EQ
#undef NE
#undef AND
#undef OR
#undef NOT
#undef CHOOSE
#undef ABS
#if LANES == 16
typedef __mmask16 VARIANT(truth);
#define GT(a, b) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), _CMP_GT_OQ)
#define GE(a, b) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), _CMP_GE_OQ)
#define LT(a, b) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), _CMP_LT_OQ)
#define LE(a, b) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), _CMP_LE_OQ)
#define EQ(a, b) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), _CMP_EQ_OQ)
#define NE(a, b) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), _CMP_NEQ_UQ)
#define AND(a, b) ((__mmask16)((a) & (b)))
#define OR(a, b) ((__mmask16)((a) | (b)))
#define NOT(a) ((__mmask16)~(a))
#define CHOOSE(a, b, c) ((VECTOR)_mm512_mask_blend_ps(a, (__m512)(c), (__m512)(b)))
#define ABS(a) ((VECTOR)_mm512_abs_ps((__m512)(a)))
#elif LANES > 1
typedef int32_t VARIANT(truth) __attribute__((vector_size(4 * LANES), may_alias));
#define GT(a, b) ((VARIANT(truth))((a) > (b)))
#define GE(a, b) ((VARIANT(truth))((a) >= (b)))
#define LT(a, b) ((VARIANT(truth))((a) < (b)))
#define LE(a, b) ((VARIANT(truth))((a) <= (b)))
#define EQ(a, b) ((VARIANT(truth))((a) == (b)))
#define NE(a, b) ((VARIANT(truth))((a) != (b)))
#define AND(a, b) ((a) & (b))
#define OR(a, b) ((a) | (b))
#define NOT(a) (~(a))
#define CHOOSE(a, b, c) ((VECTOR)(((a) & (VARIANT(truth))(b)) | (~(a) & (VARIANT(truth))(c))))
#define ABS(a) ((VECTOR)((VARIANT(truth))(a) & 0x7fffffff))
#endif
#undef TRUTH
#define TRUTH VARIANT(truth)
"""
