"""The fixed part of the generated C for layers by events of any value: rows of int8 weights, each times its value."""

from __future__ import annotations

from collections.abc import Collection

from edgeproof.spike.engine.kernels import by_lanes
from edgeproof.spike.fixed.texts import each, head

__all__ = ["weighed_sums"]


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
    begin = each(units, lambda u: f"    __m{end}i a{u} = {mm}_setzero_si{end}(), b{u} = a{u};")
    take = each(
        units,
        lambda u: (
            f"""      const __m{end}i r{u} = {mm}_cvtepi8_epi16({load}(row + {u * unit})));
      const __m{end}i s{u} = {mm}_cvtepi8_epi16({load}(other + {u * unit})));
      a{u} = {mm}_add_epi32(a{u}, {mm}_madd_epi16({mm}_unpacklo_epi16(r{u}, s{u}), pair));
      b{u} = {mm}_add_epi32(b{u}, {mm}_madd_epi16({mm}_unpackhi_epi16(r{u}, s{u}), pair));"""
        ),
    )
    if unit == 32:
        store = each(
            units,
            lambda u: (
                f"""    _mm512_storeu_si512(y + part + {u * unit}, _mm512_permutex2var_epi64(a{u}, low, b{u}));
    _mm512_storeu_si512(y + part + {u * unit + 16}, _mm512_permutex2var_epi64(a{u}, high, b{u}));"""
            ),
        )
        order = """  const __m512i low = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
  const __m512i high = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
"""
    else:
        store = each(
            units,
            lambda u: (
                f"""    __m256i *const y{u} = (__m256i *)(y + part + {u * unit});
    _mm256_storeu_si256(y{u}, _mm256_permute2x128_si256(a{u}, b{u}, 0x20));
    _mm256_storeu_si256(y{u} + 1, _mm256_permute2x128_si256(a{u}, b{u}, 0x31));"""
            ),
        )
        order = ""
    return f"""{head(f"weighed{width}", _VALUES)}{order}  for (int part = 0; part < {width}; part += {part}) {{
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
    begin = each(units, lambda u: f"    int32x4_t a{u} = vdupq_n_s32(0), b{u} = a{u};")
    take = each(
        units,
        lambda u: (
            f"""      const int16x8_t r{u} = vmovl_s8(vld1_s8(row + {8 * u}));
      a{u} = vmlal_n_s16(a{u}, vget_low_s16(r{u}), values[k]);
      b{u} = vmlal_n_s16(b{u}, vget_high_s16(r{u}), values[k]);"""
        ),
    )
    store = each(units, lambda u: f"    vst1q_s32(y + part + {8 * u}, a{u}), vst1q_s32(y + part + {8 * u + 4}, b{u});")
    return f"""{head(f"weighed{width}", _VALUES)}  for (int part = 0; part < {width}; part += {part}) {{
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
    return f"""{head(f"weighed{width}", _VALUES)}  int part = 0;
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
{each(here, lambda i: f"      a{i} += row[{i}] * value;")}
    }}
{each(here, lambda i: f"    y[part + {i}] = a{i};")}"""
