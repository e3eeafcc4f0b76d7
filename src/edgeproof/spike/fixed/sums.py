"""The fixed part of the generated C for layers by events: lists of what is not zero, and sums of rows of int8 weights.

A row has the weights of one input, outputs side by side. Rows of spikes are added up in 16 bits, as many as cannot
overflow, and these sums in 32. Sums of whole numbers have no order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from edgeproof.spike.engine.kernels import by_lanes

__all__ = ["AT_ONCE", "EVENTS", "FINISH", "GIVEN", "SAME", "SPIKES", "TAKE", "row_sums", "weighed_sums"]

AT_ONCE = 256
"""Rows whose sums fit 16 bits: 256 · 127 < 2^15."""

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

FINISH = """
/* Sums of weights in the unit of their result, with their biases; factors and biases repeat after `period`. Held to
 * +-2^28, or known to stay within. */
TARGET static inline void VARIANT(finish)(int32_t *y, int size, int period, const int32_t *factor, int shift, int up,
    const int32_t *bias, int32_t most, int bounded) {
  (void)up;
  for (int first = 0; first < size; first += period) {
    const int rest = size - first < period ? size - first : period;
    for (int i = 0; i < rest; i += LANES) {
      WORD sum = GET(y + i);
      if (most) sum = SMALLER(LARGER(sum, SPLAT(-most)), SPLAT(most));
      const WORD found = SCALED(sum, GET(factor + i), shift, up) + GET(bias + i);
      PUT(y + i, bounded ? found : HELD(found));
    }
    y += period;
  }
}
"""


def _each(numbers: Sequence[int], text: Callable[[int], str]) -> str:
    return "\n".join(text(v) for v in numbers)


def row_sums(widths: Collection[int]) -> str:
    """Sums of rows, for blocks of these many outputs."""
    if not widths:
        return ""
    wanted = sorted(widths, reverse=True)
    texts = [
        "".join(_rows16() if lanes > width else _rows(width, lanes, registers) for width in wanted)
        for lanes, registers in ((32, 16), (16, 8), (8, 8))
    ]
    return PAIRS + _ROWS + by_lanes([*texts, "".join(map(_rows_plain, wanted))])


_ROWS = """
/* Outputs that stand side by side: the rows of listed inputs added up. */
"""


def _head(name: str, more: str = "") -> str:
    return f"""TARGET static void VARIANT({name})(int32_t *restrict y, const int8_t *restrict weights,
    size_t stride, const PLACE *list, {more}uint32_t count, int wanted) {{
  (void)wanted;
"""


_ROW_WORDS = {
    32: (
        "__m512i",
        "_mm512_setzero_si512()",
        "_mm512_add_epi16({}, _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)({}))))",
        ("(WORD)_mm512_cvtepi16_epi32(_mm512_castsi512_si256({}))",
         "(WORD)_mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64({}, 1))"),
    ),
    16: (
        "__m256i",
        "_mm256_setzero_si256()",
        "_mm256_add_epi16({}, _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)({}))))",
        ("(WORD)_mm256_cvtepi16_epi32(_mm256_castsi256_si128({}))",
         "(WORD)_mm256_cvtepi16_epi32(_mm256_extracti128_si256({}, 1))"),
    ),
    8: (
        "int16x8_t",
        "vdupq_n_s16(0)",
        "vaddw_s8({}, vld1_s8({}))",
        ("(WORD)vmovl_s16(vget_low_s16({}))", "(WORD)vmovl_s16(vget_high_s16({}))"),
    ),
}  # fmt: skip
"""By the outputs of a vector of 16 bits: its type, nothing, a row added, and both halves in 32 bits."""


def _rows(width: int, lanes: int, registers: int) -> str:
    """Parts of a block, whose sums fit into so many registers."""
    part = min(width, lanes * registers)
    vectors = range(part // lanes)
    kind, zero, take, both = _ROW_WORDS[lanes]
    begin = _each(vectors, lambda v: f"      {kind} a{v} = {zero};")
    added = _each(vectors, lambda v: f"        a{v} = {take.format(f'a{v}', f'row + {v * lanes}')};")

    def stored(sum_first: str) -> str:
        lines = [
            f"        PUT(y + part + {v * lanes + at}, {sum_first.format(v * lanes + at)}{half.format(f'a{v}')});"
            for v in vectors
            for half, at in zip(both, (0, lanes // 2), strict=True)
        ]
        return "\n".join(lines)

    return f"""{_head(f"rows{width}")}  for (int part = 0; part < {width}; part += {part}) {{
    uint32_t k = 0;
    do {{
      const uint32_t first = k, last = count - k > {AT_ONCE} ? k + {AT_ONCE} : count;
{begin}
      for (; k < last; k++) {{
        const int8_t *const row = weights + list[k] * stride + part;
{added}
      }}
      if (first) {{
{stored("GET(y + part + {}) + ")}
      }} else {{
{stored("")}
      }}
    }} while (k < count);
  }}
}}
"""


def _rows16() -> str:
    """Sixteen outputs, where a vector has room for twice as many."""
    return f"""{_head("rows16")}  uint32_t k = 0;
  WORD sums = {{0}};
  while (k < count) {{
    const uint32_t last = count - k > {AT_ONCE} ? k + {AT_ONCE} : count;
    __m256i a = _mm256_setzero_si256();
    for (; k < last; k++) a = {_ROW_WORDS[16][2].format("a", "weights + list[k] * stride")};
    sums += (WORD)_mm512_cvtepi16_epi32(a);
  }}
  PUT(y, sums);
}}
"""


def _rows_plain(width: int) -> str:
    """In registers: with DSP instructions twelve outputs, two in each, else four."""
    return f"""{_head(f"rows{width}")}#ifdef HAS_DSP
  int part = 0;
  for (; part + 12 <= wanted; part += 12) add_words3(y + part, weights + part, stride, list, count);
  for (; part < wanted; part += 4) add_words1(y + part, weights + part, stride, list, count);
#else
  for (int part = 0; part < wanted; part += 4) {{
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (uint32_t k = 0; k < count; k++) {{
      const int8_t *const row = weights + list[k] * stride + part;
      a += row[0], b += row[1], c += row[2], d += row[3];
    }}
    y[part] = a, y[part + 1] = b, y[part + 2] = c, y[part + 3] = d;
  }}
#endif
}}
"""


def _pairs_of(words: int) -> str:
    """So many words of four weights of each listed row added up, two sums of 16 bits in a register (Arm's DSP)."""
    here = range(words)
    take = _each(
        here,
        lambda i: f"""      memcpy(&four, row + {4 * i}, 4);
      __asm__("sxtab16 %0, %1, %2" : "=r"(even{i}) : "r"(even{i}), "r"(four));
      __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(odd{i}) : "r"(odd{i}), "r"(four));""",
    )
    give = _each(
        here,
        lambda i: f"""    y[{4 * i}] += (int16_t)even{i}, y[{4 * i + 1}] += (int16_t)odd{i};
    y[{4 * i + 2}] += (int32_t)even{i} >> 16, y[{4 * i + 3}] += (int32_t)odd{i} >> 16;""",
    )
    return f"""
static inline void add_words{words}(int32_t *y, const int8_t *weights, size_t stride, const PLACE *list,
    uint32_t count) {{
  uint32_t k = 0;
  memset(y, 0, {16 * words});
  while (k < count) {{
    const uint32_t last = count - k > {AT_ONCE} ? k + {AT_ONCE} : count;
    uint32_t {", ".join(f"even{i} = 0, odd{i} = 0" for i in here)};
    for (; k < last; k++) {{
      const int8_t *const row = weights + list[k] * stride;
      uint32_t four;
{take}
    }}
{give}
  }}
}}
"""


PAIRS = f"""
#if LANES == 1 && defined(HAS_DSP)
/* Words of four weights of each listed row added up, two sums of 16 bits in a register. */{_pairs_of(3)}{_pairs_of(1)}
#endif
"""


def weighed_sums(widths: Collection[int]) -> str:
    """Sums of rows times their inputs' values, for blocks of these many outputs."""
    if not widths:
        return ""
    wanted = sorted(widths, reverse=True)
    texts = [
        "".join(_pairs(width, min(width, 32), min(width, 128)) for width in wanted),
        "".join(_pairs(width, 16, min(width, 64)) for width in wanted),
        "".join(_neon(width, min(width, 32)) for width in wanted),
        "".join(map(_weighed_plain, wanted)),
    ]
    return _WEIGHED + by_lanes(texts)


_WEIGHED = """
/* Outputs that stand side by side: the rows of listed inputs times their values. */
"""


_VALUES = "const int16_t *values, "


def _pairs(width: int, unit: int, part: int) -> str:
    """Two inputs at a time: their weights side by side, times both values, and the two products added (x86)."""
    units = range(part // unit)
    mm, end = ("_mm512", "512") if unit == 32 else ("_mm256", "256")
    load = "_mm256_loadu_si256((const __m256i *)" if unit == 32 else "_mm_loadu_si128((const __m128i *)"
    begin = _each(units, lambda u: f"    __m{end}i a{u} = {mm}_setzero_si{end}(), b{u} = a{u};")
    take = _each(
        units,
        lambda u: f"""      const __m{end}i r{u} = {mm}_cvtepi8_epi16({load}(row + {u * unit})));
      const __m{end}i s{u} = {mm}_cvtepi8_epi16({load}(other + {u * unit})));
      a{u} = {mm}_add_epi32(a{u}, {mm}_madd_epi16({mm}_unpacklo_epi16(r{u}, s{u}), pair));
      b{u} = {mm}_add_epi32(b{u}, {mm}_madd_epi16({mm}_unpackhi_epi16(r{u}, s{u}), pair));""",
    )
    if unit == 32:
        store = _each(
            units,
            lambda u: f"""    _mm512_storeu_si512(y + part + {u * unit}, _mm512_permutex2var_epi64(a{u}, low, b{u}));
    _mm512_storeu_si512(y + part + {u * unit + 16}, _mm512_permutex2var_epi64(a{u}, high, b{u}));""",
        )
        order = """  const __m512i low = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
  const __m512i high = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
"""
    else:
        store = _each(
            units,
            lambda u: f"""    _mm256_storeu_si256((__m256i *)(y + part + {u * unit}), _mm256_permute2x128_si256(a{u}, b{u}, 0x20));
    _mm256_storeu_si256((__m256i *)(y + part + {u * unit + 8}), _mm256_permute2x128_si256(a{u}, b{u}, 0x31));""",
        )
        order = ""
    return f"""{_head(f"weighed{width}", _VALUES)}{order}  for (int part = 0; part < {width}; part += {part}) {{
{begin}
    for (uint32_t k = 0; k < count; k += 2) {{
      const int two = k + 1 < count;
      const int8_t *const row = weights + list[k] * stride + part;
      const int8_t *const other = two ? weights + list[k + 1] * stride + part : row;
      const uint32_t second = two ? (uint32_t)values[k + 1] << 16 : 0;
      const __m{end}i pair = {mm}_set1_epi32((int)((uint16_t)values[k] | second));
{take}
    }}
{store}
  }}
}}
"""


def _neon(width: int, part: int) -> str:
    """Eight outputs of a row at a time."""
    units = range(part // 8)
    begin = _each(units, lambda u: f"    int32x4_t a{u} = vdupq_n_s32(0), b{u} = a{u};")
    take = _each(
        units,
        lambda u: f"""      const int16x8_t r{u} = vmovl_s8(vld1_s8(row + {8 * u}));
      a{u} = vmlal_n_s16(a{u}, vget_low_s16(r{u}), values[k]);
      b{u} = vmlal_n_s16(b{u}, vget_high_s16(r{u}), values[k]);""",
    )
    store = _each(units, lambda u: f"    vst1q_s32(y + part + {8 * u}, a{u}), vst1q_s32(y + part + {8 * u + 4}, b{u});")
    return f"""{_head(f"weighed{width}", _VALUES)}  for (int part = 0; part < {width}; part += {part}) {{
{begin}
    for (uint32_t k = 0; k < count; k++) {{
      const int8_t *const row = weights + list[k] * stride + part;
{take}
    }}
{store}
  }}
}}
"""


def _weighed_plain(width: int) -> str:
    """Eight outputs in registers where there are so many, else four."""
    return f"""{_head(f"weighed{width}", _VALUES)}  int part = 0;
#ifndef __ARM_ARCH_6M__
  for (; part + 8 <= wanted; part += 8) {{
{_in_registers(8)}
  }}
#endif
  for (; part < wanted; part += 4) {{
{_in_registers(4)}
  }}
}}
"""


def _in_registers(outputs: int) -> str:
    here = range(outputs)
    return f"""    int32_t {", ".join(f"a{i} = 0" for i in here)};
    for (uint32_t k = 0; k < count; k++) {{
      const int8_t *const row = weights + list[k] * stride + part;
      const int32_t value = values[k];
{_each(here, lambda i: f"      a{i} += row[{i}] * value;")}
    }}
{_each(here, lambda i: f"    y[part + {i}] = a{i};")}"""
