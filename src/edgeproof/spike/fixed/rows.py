"""The fixed part of the generated C for layers by events: rows of int8 weights added up.

A row has the weights of one input, outputs side by side. They are added up in 16 bits, as many as cannot overflow, and
these sums in 32. Sums of whole numbers have no order.
"""

from __future__ import annotations

from collections.abc import Collection

from edgeproof.spike.engine.kernels import by_lanes
from edgeproof.spike.fixed.texts import each, head

__all__ = ["row_sums"]

AT_ONCE = 256
"""Rows whose sums fit 16 bits: 256 · 127 < 2^15."""


def _pairs_of(words: int) -> str:
    """So many words of four weights of each listed row added up, two sums of 16 bits in a register (Arm's DSP)."""
    here = range(words)
    take = each(
        here,
        lambda i: (
            f"""      memcpy(&four, row + {4 * i}, 4);
      __asm__("sxtab16 %0, %1, %2" : "=r"(even{i}) : "r"(even{i}), "r"(four));
      __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(odd{i}) : "r"(odd{i}), "r"(four));"""
        ),
    )
    give = each(
        here,
        lambda i: (
            f"""    y[{4 * i}] += (int16_t)even{i}, y[{4 * i + 1}] += (int16_t)odd{i};
    y[{4 * i + 2}] += (int32_t)even{i} >> 16, y[{4 * i + 3}] += (int32_t)odd{i} >> 16;"""
        ),
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
    begin = each(vectors, lambda v: f"      {kind} a{v} = {zero};")
    added = each(vectors, lambda v: f"        a{v} = {take.format(f'a{v}', f'row + {v * lanes}')};")

    def stored(sum_first: str) -> str:
        lines = [
            f"        PUT(y + part + {v * lanes + at}, {sum_first.format(v * lanes + at)}{half.format(f'a{v}')});"
            for v in vectors
            for half, at in zip(both, (0, lanes // 2), strict=True)
        ]
        return "\n".join(lines)

    return f"""{head(f"rows{width}")}  for (int part = 0; part < {width}; part += {part}) {{
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
    return f"""{head("rows16")}  uint32_t k = 0;
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
    return f"""{head(f"rows{width}")}#ifdef HAS_DSP
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
