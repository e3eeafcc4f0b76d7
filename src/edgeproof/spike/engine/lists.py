"""The fixed part of the generated C that lists events: the places of what is not zero, ascending.

How many there are is known to no branch predictor. So lists are written without branches where vectors are at hand, and
those of several time steps or windows are made equally long, with the place of a row of zeros behind a block's weights.
"""

from __future__ import annotations

__all__ = ["BEGINS", "EVEN", "LEVEL", "LISTED", "NONZERO", "PACKED", "PLACED", "SPARE", "TOGETHER"]

TOGETHER = 4
"""Lists that are made equally long, to be summed up at one time."""
SPARE = 16
"""Numbers behind a list that may be written over."""


def _packed() -> str:
    """For each byte the places of its bits, ascending, one in each byte of a word."""
    words = []
    for byte in range(256):
        bits = [bit for bit in range(8) if byte >> bit & 1]
        words.append(f"0x{sum(bit << 8 * at for at, bit in enumerate(bits)):x}")
    lines = [",".join(words[first : first + 8]) for first in range(0, 256, 8)]
    return ",\n".join(lines)


PACKED = f"""
#if LANES == 8
static const uint64_t places_of_bits[256] ALIGNED = {{
{_packed()}
}};
#endif
"""

LISTED = """
#undef LIST
/* The places from `i` on of the bits in `found`, added to `list`. */
#if LANES == 16
#define LIST(found, i) \\
  (_mm512_storeu_si512(list + count, _mm512_maskz_compress_epi32(found, _mm512_add_epi32(_mm512_set_epi32( \\
      15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi32((int)(i))))), \\
   count += (uint32_t)__builtin_popcount((unsigned)(found)))
#elif LANES == 8
#define LIST(found, i) \\
  (_mm256_storeu_si256((__m256i *)(list + count), _mm256_add_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64( \\
      (const __m128i *)(places_of_bits + (found)))), _mm256_set1_epi32((int)(i)))), \\
   count += (uint32_t)__builtin_popcount((unsigned)(found)))
#endif
"""

NONZERO = f"""
/* The places of the numbers that are not zero, ascending; how many there are. `list` has room for `size` + {SPARE}. */
TARGET static inline uint32_t VARIANT(nonzero)(const float *x, uint32_t size, uint32_t *list) {{
  uint32_t count = 0, i = 0;
#if LANES == 16
  for (; i + 16 <= size; i += 16) {{
    const __mmask16 found = _mm512_cmp_ps_mask(_mm512_loadu_ps(x + i), _mm512_setzero_ps(), _CMP_NEQ_UQ);
    LIST(found, i);
  }}
#elif LANES == 8
  for (; i + 8 <= size; i += 8) {{
    const int found = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(x + i), _mm256_setzero_ps(), _CMP_NEQ_UQ));
    LIST(found, i);
  }}
#endif
  for (; i < size; i++) {{
    list[count] = i;
    count += x[i] != 0.0f;
  }}
  return count;
}}
"""

PLACED = """
/* The same in the order of a table of places. */
TARGET static inline uint32_t VARIANT(placed)(const float *x, const int32_t *places, uint32_t size, uint32_t *list) {
  uint32_t count = 0, i = 0;
#if LANES == 16
  for (; i + 16 <= size; i += 16) {
    const __m512 seen = _mm512_i32gather_ps(_mm512_loadu_si512(places + i), x, 4);
    const __mmask16 found = _mm512_cmp_ps_mask(seen, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    LIST(found, i);
  }
#endif
  for (; i < size; i++) {
    list[count] = i;
    count += x[places[i]] != 0.0f;
  }
  return count;
}
"""

BEGINS = """
/* The same for places of so many channels; `begin` tells where the list of each begins, and behind the last, ends. */
TARGET static inline void VARIANT(begins)(const float *x, uint32_t channels, uint32_t places, uint32_t *list,
    uint32_t *begin) {
  uint32_t count = 0, i = 0;
#if LANES == 16
  if (channels <= 16) {
    const __mmask16 wanted = (__mmask16)((1u << channels) - 1);
    for (uint32_t place = 0; place < places; place++, i += channels) {
      const __m512 seen = _mm512_maskz_loadu_ps(wanted, x + i);
      const __mmask16 found = _mm512_cmp_ps_mask(seen, _mm512_setzero_ps(), _CMP_NEQ_UQ);
      begin[place] = count;
      LIST(found, i);
    }
    begin[places] = count;
    return;
  }
#endif
  for (uint32_t place = 0; place < places; place++) {
    const uint32_t next = i + channels;
    begin[place] = count;
#if LANES == 16
    for (; i < next; i += 16) {
      const __mmask16 wanted = (__mmask16)(next - i < 16 ? (1u << (next - i)) - 1 : 0xffff);
      const __m512 seen = _mm512_maskz_loadu_ps(wanted, x + i);
      const __mmask16 found = _mm512_cmp_ps_mask(seen, _mm512_setzero_ps(), _CMP_NEQ_UQ);
      LIST(found, i);
    }
    i = next;
#else
#if LANES == 8
    for (; i + 8 <= next; i += 8) {
      const int found = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(x + i), _mm256_setzero_ps(), _CMP_NEQ_UQ));
      LIST(found, i);
    }
#endif
    for (; i < next; i++) {
      list[count] = i;
      count += x[i] != 0.0f;
    }
#endif
  }
  begin[places] = count;
}
"""

LEVEL = f"""
#if LANES > 1
/* What adds nothing, from `to` up to `end`, and some of it behind. */
typedef uint32_t VARIANT(level) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
TARGET static inline void VARIANT(nothing_more)(uint32_t *to, const uint32_t *end, uint32_t nothing) {{
  const VARIANT(level) same = nothing - (VARIANT(level)){{0}};
  do {{
    for (int i = 0; i < {SPARE}; i += LANES) *(VARIANT(level) *)(to + i) = same;
    to += {SPARE};
  }} while (to < end);
}}
#endif
"""

EVEN = f"""
#if LANES > 1
/* Makes {TOGETHER} lists after one another equally long, by the place of what adds nothing. */
TARGET static inline void VARIANT(even)(uint32_t *list, size_t room, uint32_t *count, int lists, uint32_t nothing) {{
  for (int at = 0; at < lists; at += {TOGETHER}) {{
    const int last = lists - at < {TOGETHER} ? lists : at + {TOGETHER};
    uint32_t most = 0;
    for (int one = at; one < last; one++) most = count[one] > most ? count[one] : most;
    for (int one = at; one < last; one++) {{
      uint32_t *const from = list + (size_t)one * room;
      VARIANT(nothing_more)(from + count[one], from + most, nothing);
      count[one] = most;
    }}
  }}
}}
#endif
"""
