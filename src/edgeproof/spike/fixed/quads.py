"""The fixed part of the generated C for linear layers that take all of their spikes, four inputs at a time.

Of four inputs the weights of an output stand side by side, so that one instruction multiplies them with the spikes and
adds the products: no lists, and nothing that depends on which neurons fire. It is for processors with vectors.
"""

from __future__ import annotations

from string import Template

__all__ = ["QUADS", "QUADS_HERE"]

QUADS_HERE = """
/* Linear layers take all of their spikes where there are vectors to do it with. */
#if defined(HAS_AVX2) || defined(HAS_NEON)
#define QUADS
#endif
"""

_BODY = Template("""
$target static void VARIANT($name)(int32_t *y, const int8_t *x, const int8_t *weights, int quads, int size,
    int next, int steps) {
  for (int first = 0; first < size; first += $outputs) {
    const int8_t *const block = weights + first / 16 * 64 * quads + first % 16 * 4;
    int at = 0;
    for (; at + 8 <= steps; at += 8) {
      const int8_t *const s = x + at * next;
$eight
    }
    for (; at < steps; at++) {
      const int8_t *const s = x + at * next;
$one
    }
  }
}
""")


def _loop(steps: int, vector: str, zero: str, weights: str, spikes: str, add: str, give: str) -> str:
    """Sums of so many time steps in registers."""
    lines = [f"{vector} a{at} = {zero};" for at in range(steps)]
    lines += ["for (int i = 0; i < quads; i++) {", f"  {weights}"]
    for at in range(steps):
        lines += [
            f"  int32_t four{at};",
            f"  memcpy(&four{at}, s + {at} * next + 4 * i, 4);",
            f"  a{at} = {add.format(f'a{at}', spikes.format(f'four{at}'))};",
        ]
    lines += ["}", *(give.format(at, f"a{at}") for at in range(steps))]
    return "\n".join(f"      {line}" for line in lines)


def _function(name: str, target: str, outputs: int, vector: str, zero: str, weights: str, spikes: str, add: str,
              give: str) -> str:  # fmt: skip
    eight, one = (_loop(steps, vector, zero, weights, spikes, add, give) for steps in (8, 1))
    return _BODY.substitute(name=name, target=target, outputs=outputs, eight=eight, one=one)


_VNNI = _function(
    "quads_vnni",
    '__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni"), unused))',
    16,
    "__m512i",
    "_mm512_setzero_si512()",
    "const __m512i w = _mm512_loadu_si512(block + 64 * i);",
    "_mm512_set1_epi32({})",
    "_mm512_dpbusd_epi32({}, {}, w)",
    "_mm512_storeu_si512(y + (at + {}) * size + first, {});",
)
_WIDE = _function(
    "quads_wide",
    "TARGET",
    16,
    "__m512i",
    "_mm512_setzero_si512()",
    "const __m512i w = _mm512_loadu_si512(block + 64 * i);",
    "_mm512_set1_epi32({})",
    "_mm512_add_epi32({}, _mm512_madd_epi16(_mm512_maddubs_epi16({}, w), _mm512_set1_epi16(1)))",
    "_mm512_storeu_si512(y + (at + {}) * size + first, {});",
)
_HALF = _function(
    "quads",
    "TARGET",
    8,
    "__m256i",
    "_mm256_setzero_si256()",
    "const __m256i w = _mm256_loadu_si256((const __m256i *)(block + 64 * i));",
    "_mm256_set1_epi32({})",
    "_mm256_add_epi32({}, _mm256_madd_epi16(_mm256_maddubs_epi16({}, w), _mm256_set1_epi16(1)))",
    "_mm256_storeu_si256((__m256i *)(y + (at + {}) * size + first), {});",
)
_NEON = _function(
    "quads",
    "TARGET",
    4,
    "int32x4_t",
    "vdupq_n_s32(0)",
    "const int8x16_t w = vld1q_s8(block + 64 * i);",
    "vreinterpretq_s8_s32(vdupq_n_s32({}))",
    "FOUR_BY_FOUR({}, w, {})",
    "vst1q_s32(y + (at + {}) * size + first, {});",
)

QUADS = f"""
#ifdef QUADS
/* All spikes of so many time steps times the weights of all outputs; a step has `next` spikes and `size` results.
 * Outputs stand in blocks of 16. */
#if LANES == 16{_VNNI}{_WIDE}
TARGET static void VARIANT(quads)(int32_t *y, const int8_t *x, const int8_t *weights, int quads, int size, int next,
    int steps) {{
  if (HAS_VNNI)
    VARIANT(quads_vnni)(y, x, weights, quads, size, next, steps);
  else
    VARIANT(quads_wide)(y, x, weights, quads, size, next, steps);
}}
#elif LANES == 8{_HALF}
#elif LANES == 4
#undef FOUR_BY_FOUR
#ifdef __ARM_FEATURE_DOTPROD
#define FOUR_BY_FOUR(a, w, s) vdotq_s32(a, w, s)
#else
#define FOUR_BY_FOUR(a, w, s) four_by_four(a, w, s)
static inline int32x4_t four_by_four(int32x4_t a, int8x16_t w, int8x16_t s) {{
  const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(s)));
  const int32x4_t high = vpaddlq_s16(vmull_s8(vget_high_s8(w), vget_high_s8(s)));
  return vaddq_s32(a, vcombine_s32(vpadd_s32(vget_low_s32(low), vget_high_s32(low)),
      vpadd_s32(vget_low_s32(high), vget_high_s32(high))));
}}
#endif{_NEON}
#else
TARGET static void VARIANT(quads)(int32_t *y, const int8_t *x, const int8_t *weights, int quads, int size, int next,
    int steps) {{
  for (int at = 0; at < steps; at++)
    for (int o = 0; o < size; o++) {{
      const int8_t *const w = weights + o / 16 * 64 * quads + o % 16 * 4;
      int32_t sum = 0;
      for (int i = 0; i < 4 * quads; i++) sum += w[i / 4 * 64 + i % 4] * x[at * next + i];
      y[at * size + o] = sum;
    }}
}}
#endif
#endif
"""
