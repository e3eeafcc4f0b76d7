"""The fixed part of the generated C for convolutions that take all inputs: two at a time, several places at once.

An image is narrowed to 16 bits first, in a frame of zeros. Weights stand by pairs of inputs, of each pair the outputs
side by side, so that one instruction multiplies two inputs with the weights of many outputs and adds the products.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from edgeproof.spike.engine.kernels import by_lanes
from edgeproof.spike.fixed.texts import each

__all__ = ["DENSE_WIDTHS", "GIVE", "NARROWED", "WIDENED", "WINDOW", "dense_sums"]

DENSE_WIDTHS = (32, 16)
"""Outputs summed up together, in registers."""

WINDOW = """
/* What a convolution sees: from each place `rows` runs of `pairs` pairs of numbers. Distances are in numbers. */
struct window {
  int across;         /* places side by side, before the next row of them */
  int next, below;    /* from what a place sees to what the next place sees, and the one below */
  int results;        /* from a place's results to the next place's */
  int rows, down;     /* runs, and from one to the next */
  int pairs;
};

static inline int seen_from(const struct window *see, int place) {
  return place / see->across * see->below + place % see->across * see->next;
}
"""

NARROWED = """
/* Numbers shifted to the right and held to +-`most`, in 16 bits. */
TARGET static void VARIANT(narrowed)(int16_t *to, const int32_t *x, int size, int right, int32_t most) {
  int i = 0;
#if LANES > 1
  for (; i + LANES <= size; i += LANES) {
    const WORD full = GET(x + i), value = right ? SHIFTED(full, right) : full;
    PUT16(to + i, SMALLER(LARGER(value, SPLAT(-most)), SPLAT(most)));
  }
#endif
  for (; i < size; i++) {
    const int32_t full = right ? ((x[i] >> (right - 1)) + 1) >> 1 : x[i];
    to[i] = (int16_t)(full > most ? most : full < -most ? -most : full);
  }
}
"""

WIDENED = """
TARGET static void VARIANT(widened)(int16_t *to, const int8_t *x, int size) {
  for (int i = 0; i < size; i++) to[i] = x[i];
}
"""

PAIRS = """
/* The weights of two outputs for two numbers, and both numbers times them. */
#ifdef HAS_DSP
#define TWO_WEIGHTS(w)                                                                    \\
  uint32_t four, even, odd;                                                               \\
  memcpy(&four, w, 4);                                                                    \\
  __asm__("sxtb16 %0, %1" : "=r"(even) : "r"(four));                                     \\
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(odd) : "r"(four));                              \\
  const uint32_t first = (even & 0xffff) | odd << 16, second = even >> 16 | (odd & 0xffff0000u)
#define ADD_PAIRS(a, b, from)                                                             \\
  {                                                                                       \\
    uint32_t pair;                                                                        \\
    memcpy(&pair, from, 4);                                                               \\
    __asm__("smlad %0, %1, %2, %3" : "=r"(a) : "r"(pair), "r"(first), "r"(a));           \\
    __asm__("smlad %0, %1, %2, %3" : "=r"(b) : "r"(pair), "r"(second), "r"(b));          \\
  }
#else
#define TWO_WEIGHTS(w) const int32_t w0 = (w)[0], w1 = (w)[1], w2 = (w)[2], w3 = (w)[3]
#define ADD_PAIRS(a, b, from) \\
  a += w0 * (from)[0] + w1 * (from)[1], b += w2 * (from)[0] + w3 * (from)[1]
#endif
"""

_COMMENT = """
/* Outputs that stand side by side, at so many places: all that the place sees times its weights. */
"""


def dense_sums(widths: Collection[int]) -> str:
    """Sums over all inputs of a window, for blocks of these many outputs."""
    if not widths:
        return ""
    wanted = sorted(widths, reverse=True)
    texts = [
        "".join(_vnni(width) + _sums(width, 16, 6) for width in wanted),
        "".join(_sums(width, 8, 6) for width in wanted),
        "".join(_sums(width, 4, 4) for width in wanted),
        PAIRS + "".join(map(_plain, wanted)),
    ]
    return _COMMENT + by_lanes(texts)


def _head(name: str) -> str:
    return f"""static void VARIANT({name})(int32_t *y, const int16_t *x, const struct window *see,
    const int8_t *weights, int places, int wanted) {{
"""


def _vnni(width: int) -> str:
    """The same where a product is added by the instruction that makes it."""
    target = '__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni"), unused))'
    add = "_mm512_dpwssd_epi32(a{0}_{1}, w{1}, v)".format
    return f"{target} {_head(f'vnni{width}')}{_places(width, 16, 6, add)}"


def _sums(width: int, lanes: int, places: int) -> str:
    if lanes == 4:
        return f"TARGET {_head(f'dense{width}')}{_places(width, lanes, places, _neon)}"
    mm = "_mm512" if lanes == 16 else "_mm256"
    chosen = ""
    if lanes == 16:
        chosen = f"""  if (HAS_VNNI) {{
    VARIANT(vnni{width})(y, x, see, weights, places, wanted);
    return;
  }}
"""

    def add(at: int, v: int) -> str:
        return f"{mm}_add_epi32(a{at}_{v}, {mm}_madd_epi16(w{v}, v))"

    return f"TARGET {_head(f'dense{width}')}{chosen}{_places(width, lanes, places, add)}"


def _neon(at: int, v: int) -> str:
    return f"vmlal_lane_s16(vmlal_lane_s16(a{at}_{v}, w{v}.val[0], v, 0), w{v}.val[1], v, 1)"


def _places(width: int, lanes: int, several: int, add: Callable[[int, int], str]) -> str:
    """Several places together, then the rest one by one; as many outputs as registers hold."""
    part = width if lanes == 16 else 16
    return f"""  const struct window s = *see;
  for (int part = 0; part < {width} && part < wanted; part += {part}) {{
    int at = 0;
    for (; at + {several} <= places; at += {several}) {{
{_body(width, lanes, part, several, add)}
    }}
    for (; at < places; at++) {{
{_body(width, lanes, part, 1, add)}
    }}
  }}
}}
"""


def _body(width: int, lanes: int, part: int, places: int, add: Callable[[int, int], str]) -> str:
    vectors, here = range(part // lanes), range(places)
    kind, zero, load, value = {
        16: ("__m512i", "_mm512_setzero_si512()",
             "const __m512i w{0} = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(w + {1})));",
             "const __m512i v = _mm512_set1_epi32(two);"),
        8: ("__m256i", "_mm256_setzero_si256()",
            "const __m256i w{0} = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + {1})));",
            "const __m256i v = _mm256_set1_epi32(two);"),
        4: ("int32x4_t", "vdupq_n_s32(0)",
            "const int16x8_t f{0} = vmovl_s8(vld1_s8(w + {1})); "
            "const int16x4x2_t w{0} = vuzp_s16(vget_low_s16(f{0}), vget_high_s16(f{0}));",
            "const int16x4_t v = vreinterpret_s16_s32(vdup_n_s32(two));"),
    }[lanes]  # fmt: skip
    begin = each(here, lambda p: f"    const int16_t *const x{p} = x + seen_from(&s, at + {p});")
    sums = each(here, lambda p: f"    {kind} " + ", ".join(f"a{p}_{v} = {zero}" for v in vectors) + ";")
    loads = each(vectors, lambda v: "        " + load.format(v, 2 * lanes * v))

    def take(p: int) -> str:
        sums = " ".join(f"a{p}_{v} = {add(p, v)};" for v in vectors)
        lines = ["{", "  int32_t two;", f"  memcpy(&two, x{p} + run + 2 * i, 4);", f"  {value}", f"  {sums}", "}"]
        return "\n".join(f"        {line}" for line in lines)

    give = each(
        here,
        lambda p: "\n".join(
            f"    VARIANT(give)(y + (at + {p}) * s.results + part + {v * lanes}, (WORD)a{p}_{v}, "
            f"wanted - part - {v * lanes});"
            for v in vectors
        ),
    )
    return f"""{begin}
{sums}
    const int8_t *w = weights + 2 * part;
    for (int row = 0, run = 0; row < s.rows; row++, run += s.down)
      for (int i = 0; i < s.pairs; i++, w += {2 * width}) {{
{loads}
{each(here, take)}
      }}
{give}"""


def _plain(width: int) -> str:
    """Three places at a time, and two outputs, whose weights stand in one word."""
    two, one = _word(width, 3), _word(width, 1)
    return f"""TARGET {_head(f"dense{width}")}  const struct window s = *see;
  for (int o = 0; o < {width} && o < wanted; o += 2) {{
    int at = 0;
    for (; at + 3 <= places; at += 3) {{
{two}
    }}
    for (; at < places; at++) {{
{one}
    }}
  }}
}}
"""


def _word(width: int, places: int) -> str:
    here = range(places)
    begin = each(here, lambda p: f"      const int16_t *x{p} = x + seen_from(&s, at + {p});")
    sums = each(here, lambda p: f"      int32_t a{p} = 0, b{p} = 0;")
    add = each(here, lambda p: f"          ADD_PAIRS(a{p}, b{p}, x{p} + 2 * i);")
    next_run = " ".join(f"x{p} += s.down;" for p in here)
    give = each(
        here,
        lambda p: (
            f"""      y[(at + {p}) * s.results + o] = a{p};
      if (o + 1 < wanted) y[(at + {p}) * s.results + o + 1] = b{p};"""
        ),
    )
    return f"""{begin}
{sums}
      const int8_t *w = weights + 2 * o;
      for (int row = 0; row < s.rows; row++) {{
        for (int i = 0; i < s.pairs; i++, w += {2 * width}) {{
          TWO_WEIGHTS(w);
{add}
        }}
        {next_run}
      }}
{give}"""


GIVE = """
/* A word of results, of which so many are wanted. */
TARGET static inline void VARIANT(give)(int32_t *y, WORD sums, int wanted) {
#if LANES > 1
  if (wanted < LANES) {
    for (int i = 0; i < LANES; i++)
      if (i < wanted) y[i] = sums[i];
    return;
  }
#endif
  (void)wanted;
  PUT(y, sums);
}
"""
