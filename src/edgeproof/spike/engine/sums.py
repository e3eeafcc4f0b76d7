"""The fixed part of the generated C that sums up weights of listed inputs, for blocks of outputs in registers.

A processor adds twice in a clock and knows a sum four clocks later. So spikes of several time steps, or windows, are
summed up at one time: their lists are equally long (``lists.EVEN``), and none waits for another.
"""

from __future__ import annotations

from collections.abc import Collection

from edgeproof.spike.engine.kernels import BLOCKS, by_lanes
from edgeproof.spike.engine.lists import TOGETHER

__all__ = ["event_sums", "indented", "many_sums", "near_sums"]

_ONE = """
/* Outputs that stand side by side: the bias, and each listed input's weights, times its value where there is x. */
"""
_MANY = """
/* Sums for many lists of spikes, `room` numbers apart, each the bias and the weights of what it lists. */
"""
_NEAR = """
/* The same for the lists of `lists` windows, which are equally long, and tell where weights begin. */
"""
MOST = {16: 16, 8: 8, 4: 8}
"""Sums that registers hold, by the floats of a vector."""


def event_sums(widths: Collection[int]) -> str:
    """Sums over one list of inputs, for blocks of these many outputs."""
    wanted = [width for width in BLOCKS if width in widths]
    if not wanted:
        return ""
    texts = ["".join(_one(width, lanes) for width in wanted) for lanes in (16, 8, 4)]
    return _ONE + by_lanes([*texts, "".join(map(_one_plain, wanted))])


def many_sums(widths: Collection[int]) -> str:
    """Sums over many lists of spikes, of the rows of weights in a block."""
    wanted = [width for width in BLOCKS if width in widths]
    if not wanted:
        return ""
    return _MANY + by_lanes([*("".join(_many(width, lanes) for width in wanted) for lanes in (16, 8, 4)), ""])


def near_sums(widths: Collection[int]) -> str:
    """Sums over the lists of a few windows, of where weights begin; without vectors, over all windows."""
    wanted = [width for width in BLOCKS if width in widths]
    if not wanted:
        return ""
    texts = ["".join(_near(width, lanes) for width in wanted) for lanes in (16, 8, 4)]
    return _NEAR + by_lanes([*texts, "".join(map(_near_plain, wanted))])


def _one_head(width: int) -> str:
    return f"""TARGET static inline void VARIANT(sum{width})(float *restrict y, const float *bias, const float *weights,
    const uint32_t *list, uint32_t count, const float *x) {{
"""


def _one(width: int, lanes: int) -> str:
    """The whole block, or a part of it where there are too few registers."""
    vectors = min(width // lanes, MOST[lanes])
    part = vectors * lanes
    places = [v * lanes for v in range(vectors)]
    load = [f"VECTOR a{v} = LOAD(bias + part + {at});" for v, at in enumerate(places)]
    plain = [f"a{v} += LOAD(row + {at});" for v, at in enumerate(places)]
    times = [f"a{v} += LOAD(row + {at}) * value;" for v, at in enumerate(places)]
    store = [f"STORE(y + part + {at}, a{v});" for v, at in enumerate(places)]
    return f"""{_one_head(width)}  for (int part = 0; part < {width}; part += {part}) {{
{indented(load, 4)}
    if (x) {{
      for (uint32_t k = 0; k < count; k++) {{
        const float *const row = weights + (size_t)list[k] * {width} + part;
        const VECTOR value = SPREAD(x[list[k]]);
{indented(times, 8)}
      }}
    }} else {{
      for (uint32_t k = 0; k < count; k++) {{
        const float *const row = weights + (size_t)list[k] * {width} + part;
{indented(plain, 8)}
      }}
    }}
{indented(store, 4)}
  }}
}}
"""


def _one_plain(width: int) -> str:
    return f"""{_one_head(width)}  for (int i = 0; i < {width}; i++) y[i] = bias[i];
  for (uint32_t k = 0; k < count; k++) {{
    const float *row = weights + (size_t)list[k] * {width};
    const float value = x ? x[list[k]] : 1.0f;
    for (int i = 0; i < {width}; i++) y[i] += row[i] * value;
  }}
}}
"""


def _many_head(width: int) -> str:
    return f"""TARGET static inline void VARIANT(many{width})(float *y, size_t apart, const float *bias,
    const float *weights, const uint32_t *list, size_t room, const uint32_t *count, int lists, int wanted) {{
"""


def _many(width: int, lanes: int) -> str:
    """Parts of a block, for several lists at a time and for the rest one by one."""
    most = MOST[lanes]
    vectors = min(width // lanes, max(4, most // TOGETHER))
    together = min(TOGETHER, most // vectors)
    several = _lists(width, lanes, vectors, together)
    return f"""{_many_head(width)}  for (int part = 0; part < wanted; part += {vectors * lanes}) {{
    int at = 0;
    for (; at + {together} <= lists; at += {together}) {{
{several}
    }}
    for (; at < lists; at++) {{
{_lists(width, lanes, vectors, 1)}
    }}
  }}
}}
"""


def _near_head(width: int) -> str:
    return f"""TARGET static inline void VARIANT(near{width})(float *y, size_t apart, const float *bias,
    const float *weights, const uint32_t *list, size_t room, uint32_t count, int lists, int wanted) {{
"""


def _near(width: int, lanes: int) -> str:
    most = MOST[lanes]
    vectors = min(width // lanes, max(4, most // TOGETHER))
    together = min(TOGETHER, most // vectors)
    return f"""{_near_head(width)}  for (int part = 0; part < wanted; part += {vectors * lanes}) {{
    int at = 0;
    for (; at + {together} <= lists; at += {together}) {{
{_lists(width, lanes, vectors, together, near=True)}
    }}
    for (; at < lists; at++) {{
{_lists(width, lanes, vectors, 1, near=True)}
    }}
  }}
}}
"""


def _near_plain(width: int) -> str:
    """Without vectors the list of a window is no quicker than the runs of the image's list that it is made of."""
    return f"""static inline void VARIANT(near{width})(float *y, const struct sight *see, const float *bias,
    const float *weights, int wide, const uint32_t *list, const uint32_t *begin, int wanted) {{
  const struct sight s = *see;
  for (int place = 0; place < s.rows * s.columns; place++) {{
    const int above = place / s.columns * s.down - s.top, before = place % s.columns * s.right - s.left;
    const int behind = before + s.taps_right < s.width ? before + s.taps_right : s.width;
    const int first = before < 0 ? 0 : before < s.width ? before : s.width, last = behind > first ? behind : first;
    float sums[{width}];
    for (int i = 0; i < {width}; i++) sums[i] = bias[i];
    for (int ky = 0; ky < s.taps_down; ky++) {{
      const int line = above + ky * s.spread;
      if (line < 0 || line >= s.height) continue;
      const int base = (line * s.width + before - ky * s.taps_right) * s.channels;
      const uint32_t end = begin[line * s.width + last];
      for (uint32_t k = begin[line * s.width + first]; k < end; k++) {{
        const float *const row = weights + (size_t)((int)list[k] - base) * (size_t)wide;
        for (int i = 0; i < {width}; i++) sums[i] += row[i];
      }}
    }}
    for (int i = 0; i < wanted; i++) y[(size_t)place * (size_t)s.outputs + i] = sums[i];
  }}
}}
"""


def _lists(width: int, lanes: int, vectors: int, count: int, *, near: bool = False) -> str:
    pairs = [(one, v) for one in range(count) for v in range(vectors)]
    lines = [
        "const uint32_t *const l0 = list + (size_t)at * room;",
        *(f"const uint32_t *const l{one} = l{one - 1} + room;" for one in range(1, count)),
        *(f"VECTOR a0{v} = LOAD(bias + part + {v * lanes});" for v in range(vectors)),
        *(f"VECTOR a{one}{v} = a0{v};" for one, v in pairs if one),
        "const uint32_t end = count;" if near else "const uint32_t end = count[at];",
        "for (uint32_t k = 0; k < end; k++) {",
        *(
            f"  const float *const r{one} = weights + part + l{one}[k];"
            if near
            else f"  const float *const r{one} = weights + (size_t)l{one}[k] * {width} + part;"
            for one in range(count)
        ),
        *(f"  a{one}{v} += LOAD(r{one} + {v * lanes});" for one, v in pairs),
        "}",
        "float *const z = y + (size_t)at * apart + part;",
        *(
            f"VARIANT(give)(z + {one} * apart + {v * lanes}, a{one}{v}, wanted - part - {v * lanes});"
            for one, v in pairs
        ),
    ]
    return indented(lines, 6)


def indented(lines: list[str], indent: int) -> str:
    """The lines in one text."""
    return "\n".join(" " * indent + line for line in lines)
