"""The fixed part of the generated C for inputs of which most are not zero: no lists, weights read for four places.

A place is a time step of a linear layer, or a pixel of a convolution. Terms are taken in the order of ``kernels``;
those of zero change nothing, so the bits are the same.
"""

from __future__ import annotations

from collections.abc import Collection

from edgeproof.spike.engine.kernels import BLOCKS, by_lanes

__all__ = ["DEPTHWISE", "WINDOW", "dense_sums"]

PLACES = 4
"""Places whose sums are in registers together."""

WINDOW = """
/* What a layer sees: from each place `rows` times `columns` runs of `length` numbers. Distances are in numbers. */
struct window {
  int across;            /* places side by side, before the next row of them */
  size_t next, below;    /* from what a place sees to what the next place sees, and the one below */
  size_t results;        /* from a place's results to the next place's */
  int rows, columns;
  size_t down, right;    /* from a run to the one below, and to the next */
  size_t length;
};

static inline size_t seen_from(const struct window *see, int place) {
  return (size_t)(place / see->across) * see->below + (size_t)(place % see->across) * see->next;
}
"""

DEPTHWISE = """
/* Channels that each see themselves alone: one number of a window times its weights, added to the outputs. */
TARGET static inline void VARIANT(weigh)(float *restrict y, const float *x, const float *weights, int channels) {
  for (int i = 0; i < channels; i++) y[i] += weights[i] * x[i];
}
"""

_COMMENT = """
/* Outputs that stand side by side, at so many places: the bias, and all that the place sees times its weights. */
"""


def dense_sums(widths: Collection[int]) -> str:
    """Sums over all inputs, for blocks of these many outputs."""
    wanted = [width for width in BLOCKS if width in widths]
    if not wanted:
        return ""
    texts = [
        "".join(_sums(width, lanes, min(width // lanes, vectors)) for width in wanted)
        for lanes, vectors in ((16, 4), (8, 2), (4, 2))
    ]
    return _COMMENT + by_lanes([*texts, "".join(map(_sums_plain, wanted))])


def _head(width: int) -> str:
    return f"""TARGET static void VARIANT(dense{width})(float *y, const float *x, const struct window *see,
    const float *bias, const float *weights, int places, int wanted) {{
"""


def _sums(width: int, lanes: int, vectors: int) -> str:
    """Parts of a block, each for four places at a time and for the rest one by one."""
    several, single = (_places(width, lanes, vectors, count) for count in (PLACES, 1))
    return f"""{_head(width)}  const struct window s = *see;
  for (int part = 0; part < wanted; part += {vectors * lanes}) {{
    int at = 0;
    for (; at + {PLACES} <= places; at += {PLACES}) {{
{several}
    }}
    for (; at < places; at++) {{
{single}
    }}
  }}
}}
"""


def _places(width: int, lanes: int, vectors: int, count: int) -> str:
    pairs = [(p, v) for p in range(count) for v in range(vectors)]
    lines = [
        *(f"const float *const x{p} = x + seen_from(&s, at + {p});" for p in range(count)),
        *(f"const VECTOR b{v} = LOAD(bias + part + {v * lanes});" for v in range(vectors)),
        *(f"VECTOR a{p}{v} = b{v};" for p, v in pairs),
        "const float *row = weights + part;",
        "for (int r = 0; r < s.rows; r++)",
        "  for (int c = 0; c < s.columns; c++) {",
        "    const size_t first = (size_t)r * s.down + (size_t)c * s.right;",
        f"    for (size_t k = first; k < first + s.length; k++, row += {width}) {{",
        *(f"      const VECTOR w{v} = LOAD(row + {v * lanes});" for v in range(vectors)),
        *(f"      const VECTOR e{p} = SPREAD(x{p}[k]);" for p in range(count)),
        *(f"      a{p}{v} += w{v} * e{p};" for p, v in pairs),
        "    }",
        "  }",
        "float *const z = y + (size_t)at * s.results + part;",
        *(f"VARIANT(give)(z + {p} * s.results + {v * lanes}, a{p}{v}, wanted - part - {v * lanes});" for p, v in pairs),
    ]
    return "\n".join("      " + line for line in lines)


def _sums_plain(width: int) -> str:
    return f"""{_head(width)}  const struct window s = *see;
  for (int at = 0; at < places; at++) {{
    const float *const from = x + seen_from(&s, at);
    const float *row = weights;
    float sums[{width}];
    for (int i = 0; i < {width}; i++) sums[i] = bias[i];
    for (int r = 0; r < s.rows; r++)
      for (int c = 0; c < s.columns; c++) {{
        const float *const run = from + (size_t)r * s.down + (size_t)c * s.right;
        for (size_t k = 0; k < s.length; k++, row += {width})
          for (int i = 0; i < {width}; i++) sums[i] += row[i] * run[k];
      }}
    for (int i = 0; i < wanted; i++) y[(size_t)at * s.results + i] = sums[i];
  }}
}}
"""
