"""The fixed part of the generated C for few outputs of spikes over many time steps: a vector is 16 steps of an output.

With fewer outputs than a vector has numbers, a vector of outputs is mostly padding. Here an input that ever spikes adds
its weight to the steps at which it does, and no list is made of any step. It takes masks: other processors go by
``sums``.
"""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["FEW", "LONGEST", "MANY", "TOLD", "are_trains", "train_sums"]

FEW = 12
"""Outputs whose sums over 32 time steps are in registers."""
LONGEST = 32
"""Time steps of a train."""
MANY = 9
"""Time steps from which on they are worth it."""

TOLD = """
/* When a vector of neurons has spiked, a bit for each step; without masks nobody asks. */
#if LANES == 16
typedef __m512i VARIANT(train);

/* Trains, and a bit more in those that spike at this step. */
TARGET static inline __m512i VARIANT(spiked)(__m512i trains, __mmask16 fired, int at) {
  const __m512i bit = _mm512_set1_epi32((int)(1u << at));
  return _mm512_mask_ternarylogic_epi32(trains, fired, bit, bit, 0xfc); /* trains | bit, in the same register */
}

/* What neurons have told of themselves, of those that spiked at all. */
TARGET static inline uint32_t VARIANT(told)(const float *trains, int size, uint32_t *list, uint32_t *when) {
  uint32_t count = 0;
  for (int i = 0; i < size; i += 16) {
    const __mmask16 wanted = (__mmask16)(size - i < 16 ? (1u << (size - i)) - 1 : 0xffff);
    const __m512i train = _mm512_loadu_si512(trains + i);
    const __mmask16 any = _mm512_mask_test_epi32_mask(wanted, train, train);
    const __m512i places = _mm512_add_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
        _mm512_set1_epi32(i));
    _mm512_storeu_si512(list + count, _mm512_maskz_compress_epi32(any, places));
    _mm512_storeu_si512(when + count, _mm512_maskz_compress_epi32(any, train));
    count += (uint32_t)__builtin_popcount(any);
  }
  return count;
}
#elif LANES > 1
typedef int VARIANT(train);
#endif
"""


def are_trains(chunk: str) -> str:
    """The condition, in C, under which a chunk of so many steps is taken as trains."""
    return f"LANES == 16 && {chunk} >= {MANY} && {chunk} <= {LONGEST}"


_TRAINS = """
#if LANES == 16
/* Which inputs spike at all, and when: a bit for each of up to 32 steps, whose inputs are `apart` numbers apart. */
TARGET static inline uint32_t VARIANT(trains)(const float *x, size_t apart, int size, int steps, uint32_t *list,
    uint32_t *when) {
  const __m512 silence = _mm512_setzero_ps();
  uint32_t count = 0;
  for (int i = 0; i < size; i += 64) {
    const float *const from = x + i;
    const int parts = size - i < 64 ? (size - i + 15) / 16 : 4;
    __m512i bit = _mm512_set1_epi32(1), train[4];
    train[0] = train[1] = train[2] = train[3] = _mm512_setzero_si512();
    if (parts == 4)
      for (int at = 0; at < steps; at++, bit = _mm512_add_epi32(bit, bit))
        for (int part = 0; part < 4; part++) {
          const __m512 seen = _mm512_loadu_ps(from + (size_t)at * apart + part * 16);
          const __mmask16 found = _mm512_cmp_ps_mask(seen, silence, _CMP_NEQ_UQ);
          train[part] = _mm512_mask_ternarylogic_epi32(train[part], found, bit, bit, 0xfc); /* train | bit */
        }
    else
      for (int part = 0; part < parts; part++, bit = _mm512_set1_epi32(1))
        for (int at = 0; at < steps; at++, bit = _mm512_add_epi32(bit, bit)) {
          const int left = size - i - part * 16;
          const __mmask16 wanted = (__mmask16)(left < 16 ? (1u << left) - 1 : 0xffff);
          const __m512 seen = _mm512_loadu_ps(from + (size_t)at * apart + part * 16);
          const __mmask16 found = _mm512_mask_cmp_ps_mask(wanted, seen, silence, _CMP_NEQ_UQ);
          train[part] = _mm512_mask_ternarylogic_epi32(train[part], found, bit, bit, 0xfc); /* train | bit */
        }
    for (int part = 0; part < parts; part++) {
      const __mmask16 any = _mm512_test_epi32_mask(train[part], train[part]);
      const __m512i places = _mm512_add_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
          _mm512_set1_epi32(i + part * 16));
      _mm512_storeu_si512(list + count, _mm512_maskz_compress_epi32(any, places));
      _mm512_storeu_si512(when + count, _mm512_maskz_compress_epi32(any, train[part]));
      count += (uint32_t)__builtin_popcount(any);
    }
  }
  return count;
}

/* So many outputs at all steps of such trains. A row of weights has 16 numbers, and so has one of results. */
"""


def train_sums(outputs: Collection[int]) -> str:
    """Sums for these counts of outputs."""
    return _TRAINS + "".join(map(_sums, sorted(outputs))) + "#endif\n" if outputs else ""


def _sums(outputs: int) -> str:
    every = range(outputs)
    rows = -(-outputs // 4) * 4
    begin = "\n".join(f"  __m512 a{o} = _mm512_set1_ps(bias[{o}]), b{o} = a{o};" for o in every)
    add = "\n".join(
        f"    {half}{o} = _mm512_mask_add_ps({half}{o}, {mask}, {half}{o}, _mm512_set1_ps(row[{o}]));"
        for o in every
        for half, mask in (("a", "early"), ("b", "late"))
    )
    end = "\n".join(f"  _mm512_storeu_ps(sums[{o}], a{o});\n  _mm512_storeu_ps(sums[{o}] + 16, b{o});" for o in every)
    return f"""TARGET static inline void VARIANT(train{outputs})(float *y, const float *bias, const float *weights,
    const uint32_t *list, const uint32_t *when, uint32_t count, int steps) {{
  float sums[{rows}][{LONGEST}];
{begin}
  for (uint32_t k = 0; k < count; k++) {{
    const float *const row = weights + (size_t)list[k] * 16;
    const __mmask16 early = (__mmask16)when[k], late = (__mmask16)(when[k] >> 16);
{add}
  }}
{end}
  for (int o = {outputs}; o < {rows}; o++) memset(sums[o], 0, sizeof sums[o]);
  __asm__ volatile("" : : "r"(sums) : "memory"); /* or the compiler takes the vectors apart, number by number */
  for (int at = 0; at < steps; at += 4)
    for (int o = 0; o < {rows}; o += 4) {{
      __m128 r[4] = {{_mm_loadu_ps(sums[o] + at), _mm_loadu_ps(sums[o + 1] + at), _mm_loadu_ps(sums[o + 2] + at),
          _mm_loadu_ps(sums[o + 3] + at)}};
      _MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]);
      for (int next = 0; next < 4; next++)
        if (at + next < steps) _mm_storeu_ps(y + (at + next) * 16 + o, r[next]);
    }}
}}
"""
