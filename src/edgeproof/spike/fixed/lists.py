"""The fixed part of the generated C for lists of a layer's inputs: numbers from outside, and what is not zero."""

from __future__ import annotations

__all__ = ["EVENTS", "GIVEN", "SAME", "SPIKES", "TAKE"]

TAKE = """
/* Numbers from outside; NaN counts as zero. */
TARGET static void VARIANT(take)(int32_t *to, const float *from, int size, float per_unit) {
  int i = 0;
#if LANES == 16
  const __m512 most = _mm512_set1_ps(268435456.0f);
  for (; i < size; i += 16) {
    const __mmask16 wanted = size - i < 16 ? (__mmask16)((1u << (size - i)) - 1) : (__mmask16)0xffff;
    const __m512 units = _mm512_mul_ps(_mm512_maskz_loadu_ps(wanted, from + i), _mm512_set1_ps(per_unit));
    const __m512 held = _mm512_min_ps(_mm512_max_ps(units, _mm512_sub_ps(_mm512_setzero_ps(), most)), most);
    const __mmask16 numbers = _mm512_cmp_ps_mask(units, units, _CMP_ORD_Q);
    _mm512_storeu_si512(to + i, _mm512_maskz_cvtps_epi32(numbers, held));
  }
#elif LANES == 8
  const __m256 most = _mm256_set1_ps(268435456.0f);
  for (; i + 8 <= size; i += 8) {
    const __m256 units = _mm256_mul_ps(_mm256_loadu_ps(from + i), _mm256_set1_ps(per_unit));
    const __m256 held = _mm256_min_ps(_mm256_max_ps(units, _mm256_sub_ps(_mm256_setzero_ps(), most)), most);
    const __m256 numbers = _mm256_cmp_ps(units, units, _CMP_ORD_Q);
    _mm256_storeu_si256((__m256i *)(to + i), _mm256_cvtps_epi32(_mm256_and_ps(held, numbers)));
  }
#elif LANES == 4 && defined(__aarch64__)
  for (; i + 4 <= size; i += 4) {
    const int32x4_t found = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(from + i), per_unit));
    vst1q_s32(to + i, vminq_s32(vmaxq_s32(found, vdupq_n_s32(-268435456)), vdupq_n_s32(268435456)));
  }
#endif
  for (; i < size; i++) to[i] = taken(from[i], per_unit);
}
"""

SPIKES = """
/* The places of spikes, ascending; how many there are. `x` goes on to a multiple of 16, `list` has room for 16 more. */
TARGET static uint32_t VARIANT(spikes)(const int8_t *x, uint32_t size, PLACE *list) {
  uint32_t count = 0, i = 0;
#if LANES == 16
  for (; i < size; i += 64) {
    const __mmask64 wanted = size - i < 64 ? ((__mmask64)1 << (size - i)) - 1 : ~(__mmask64)0;
    const __m512i seen = _mm512_maskz_loadu_epi8(wanted, x + i);
    for (uint64_t found = _mm512_test_epi8_mask(seen, seen); found; found &= found - 1)
      list[count++] = (PLACE)(i + (uint32_t)__builtin_ctzll(found));
  }
#elif LANES == 8
  for (; i < size; i += 16) {
    const __m128i seen = _mm_loadu_si128((const __m128i *)(x + i));
    uint32_t found = (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(seen, _mm_setzero_si128()));
    if (size - i < 16) found &= (1u << (size - i)) - 1;
    for (; found; found &= found - 1) list[count++] = (PLACE)(i + (uint32_t)__builtin_ctz(found));
  }
#elif defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && UINTPTR_MAX > 0xffffffffu
  for (; i + 8 <= size; i += 8) {
    uint64_t found;
    memcpy(&found, x + i, 8);
    for (; found; found &= found - 1) list[count++] = (PLACE)(i + (uint32_t)__builtin_ctzll(found) / 8);
  }
#elif defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && defined(__ARM_FEATURE_CLZ)
  for (; i + 4 <= size; i += 4) {
    uint32_t found;
    memcpy(&found, x + i, 4);
    for (; found; found &= found - 1) list[count++] = (PLACE)(i + (uint32_t)__builtin_ctz(found) / 8);
  }
#else
  for (; i + 4 <= size; i += 4) {
    uint32_t found;
    memcpy(&found, x + i, 4);
    if (!found) continue;
    for (uint32_t at = i; at < i + 4; at++)
      if (x[at]) list[count++] = (PLACE)at;
  }
#endif
  for (; i < size; i++) {
    list[count] = (PLACE)i;
    count += x[i] != 0;
  }
  return count;
}
"""

EVENTS = """
/* Numbers shifted to the right and held to +-`most`: the places and values of those that are not zero; how many. */
TARGET static uint32_t VARIANT(events)(const int32_t *x, uint32_t size, int right, int32_t most, PLACE *list,
    int16_t *values) {
  uint32_t count = 0, i = 0;
  (void)most;
#if LANES == 16
  const __m512i steps = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  for (; i < size; i += 16) {
    const WORD full = GET(x + i), value = right ? SHIFTED(full, right) : full;
    const __m512i held = (__m512i)SMALLER(LARGER(value, SPLAT(-most)), SPLAT(most));
    const __mmask16 wanted = size - i < 16 ? (__mmask16)((1u << (size - i)) - 1) : (__mmask16)0xffff;
    const __mmask16 found = _mm512_mask_test_epi32_mask(wanted, held, held);
    const __m512i places = _mm512_add_epi32(steps, _mm512_set1_epi32((int)i));
    const __m512i here = _mm512_maskz_compress_epi32(found, places);
    if (sizeof(PLACE) == 2)
      _mm256_storeu_si256((__m256i *)(list + count), _mm512_cvtepi32_epi16(here));
    else
      _mm512_storeu_si512(list + count, here);
    _mm256_storeu_si256((__m256i *)(values + count), _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(found, held)));
    count += (uint32_t)__builtin_popcount(found);
  }
#endif
  for (; i < size; i++) {
    const int32_t full = right ? ((x[i] >> (right - 1)) + 1) >> 1 : x[i];
    const int32_t value = full > most ? most : full < -most ? -most : full;
    list[count] = (PLACE)i;
    values[count] = (int16_t)value;
    count += value != 0;
  }
  return count;
}
"""

GIVEN = """
/* The places of numbers from outside that are not zero, and what they are in units, shifted to the right and held to
 * +-`most`; how many there are. */
TARGET static uint32_t VARIANT(given)(const float *x, uint32_t size, float per_unit, int right, int32_t most,
    PLACE *list, int16_t *values) {
  uint32_t count = 0, i = 0;
#if LANES == 16
  __m512i places = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  for (; i + 16 <= size; i += 16, places = _mm512_add_epi32(places, _mm512_set1_epi32(16))) {
    __builtin_prefetch(x + i + 512);
    const __mmask16 found = _mm512_cmp_ps_mask(_mm512_loadu_ps(x + i), _mm512_setzero_ps(), _CMP_NEQ_UQ);
    const __m512i here = _mm512_maskz_compress_epi32(found, places);
    if (sizeof(PLACE) == 2)
      _mm256_storeu_si256((__m256i *)(list + count), _mm512_cvtepi32_epi16(here));
    else
      _mm512_storeu_si512(list + count, here);
    count += (uint32_t)__builtin_popcount(found);
  }
#elif LANES == 8
  for (; i + 32 <= size; i += 32) {
    uint32_t found = 0;
    __builtin_prefetch(x + i + 512), __builtin_prefetch(x + i + 528);
    for (int part = 3; part >= 0; part--)
      found = found << 8 | (uint32_t)_mm256_movemask_ps(
          _mm256_cmp_ps(_mm256_loadu_ps(x + i + 8 * part), _mm256_setzero_ps(), _CMP_NEQ_UQ));
    for (; found; found &= found - 1) list[count++] = (PLACE)(i + (uint32_t)__builtin_ctz(found));
  }
#endif
  for (; i < size; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, 4);
    list[count] = (PLACE)i;
    count += bits << 1 != 0;
  }
  uint32_t k = 0;
#if LANES == 16
  for (; sizeof(PLACE) == 2 && k < count; k += 16) {
    const __mmask16 wanted = count - k < 16 ? (__mmask16)((1u << (count - k)) - 1) : (__mmask16)0xffff;
    const __m512i from = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(list + k)));
    const __m512 zero = _mm512_setzero_ps(), most_units = _mm512_set1_ps(268435456.0f);
    const __m512 units =
        _mm512_mul_ps(_mm512_mask_i32gather_ps(zero, wanted, from, x, 4), _mm512_set1_ps(per_unit));
    const __m512 held = _mm512_min_ps(_mm512_max_ps(units, _mm512_sub_ps(zero, most_units)), most_units);
    const WORD full = (WORD)_mm512_maskz_cvtps_epi32(_mm512_cmp_ps_mask(units, units, _CMP_ORD_Q), held);
    const WORD value = right ? SHIFTED(full, right) : full;
    PUT16(values + k, SMALLER(LARGER(value, SPLAT(-most)), SPLAT(most)));
  }
#elif LANES == 8
  for (; sizeof(PLACE) == 2 && k + 8 <= count; k += 8) {
    const __m256i from = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(list + k)));
    const __m256 zero = _mm256_setzero_ps(), most_units = _mm256_set1_ps(268435456.0f);
    const __m256 units = _mm256_mul_ps(_mm256_i32gather_ps(x, from, 4), _mm256_set1_ps(per_unit));
    const __m256 held = _mm256_min_ps(_mm256_max_ps(units, _mm256_sub_ps(zero, most_units)), most_units);
    const __m256 numbers = _mm256_cmp_ps(units, units, _CMP_ORD_Q);
    const WORD full = (WORD)_mm256_cvtps_epi32(_mm256_and_ps(held, numbers));
    const WORD value = right ? SHIFTED(full, right) : full;
    PUT16(values + k, SMALLER(LARGER(value, SPLAT(-most)), SPLAT(most)));
  }
#endif
  for (; k < count; k++) {
    const int32_t whole = taken(x[list[k]], per_unit);
    const int32_t full = right ? ((whole >> (right - 1)) + 1) >> 1 : whole;
    values[k] = (int16_t)(full > most ? most : full < -most ? -most : full);
  }
  return count;
}
"""

SAME = """
/* The value that all of them have, or zero. */
TARGET static int32_t VARIANT(same)(const int16_t *values, uint32_t count) {
  int other = 0;
  for (uint32_t k = 1; k < count; k++) other |= values[k] ^ values[0];
  return count && !other ? values[0] : 0;
}

TARGET static void VARIANT(times)(int32_t *y, int size, int32_t value) {
  for (int i = 0; i < size; i += LANES) PUT(y + i, GET(y + i) * SPLAT(value));
}
"""
