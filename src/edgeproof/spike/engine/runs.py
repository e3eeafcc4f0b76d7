"""The fixed part of the generated C for convolutions whose outputs each sum up the graded inputs in their window.

What stands side by side in a row of the image stands side by side in the list of events too, so a row of a window is a
run of the list. Sums stay in registers, where ``kernels.ADD`` goes through memory for every event.
"""

from __future__ import annotations

from collections.abc import Collection

from edgeproof.spike.engine.kernels import BLOCKS, by_lanes

__all__ = ["SIGHT", "run_sums"]

SIGHT = """
/* A window that moves over an image: sizes of the image, of the window, its steps, and what it gives. */
struct sight {
  int height, width, channels;
  int taps_down, taps_right;
  int down, right, spread; /* steps from place to place; rows between two taps */
  int top, left;           /* rows and columns outside of the image */
  int rows, columns, outputs;
};
"""

_COMMENT = """
/* Outputs that stand side by side, at all places: the bias, and the weights of the events in the place's window, each
 * times its value. */
"""


def run_sums(widths: Collection[int]) -> str:
    """Sums over the events in windows, for blocks of these many outputs."""
    wanted = [width for width in BLOCKS if width in widths]
    if not wanted:
        return ""
    texts = [
        "".join(_sums(width, lanes, min(width // lanes, vectors)) for width in wanted)
        for lanes, vectors in ((16, 4), (8, 8), (4, 4))
    ]
    return _COMMENT + by_lanes([*texts, "".join(_sums(width, 1, 0) for width in wanted)])


def _sums(width: int, lanes: int, vectors: int) -> str:
    """Blocks in parts whose sums fit into the registers; without vectors the sums are an array."""
    part = vectors * lanes or width
    places = [v * lanes for v in range(vectors)]
    if vectors:
        begin = [f"VECTOR a{v} = LOAD(bias + part + {at});" for v, at in enumerate(places)]
        times = [f"a{v} += LOAD(row + {at}) * value;" for v, at in enumerate(places)]
        end = [f"VARIANT(give)(z + part + {at}, a{v}, wanted - part - {at});" for v, at in enumerate(places)]
        spread = "const VECTOR value = SPREAD(x[list[k]]);"
    else:
        begin = [f"float sums[{width}];", f"for (int i = 0; i < {width}; i++) sums[i] = bias[i];"]
        times = [f"for (int i = 0; i < {width}; i++) sums[i] += row[i] * value;"]
        end = ["for (int i = 0; i < wanted; i++) z[i] = sums[i];"]
        spread = "const float value = x[list[k]];"
    return f"""TARGET static void VARIANT(runs{width})(float *y, const struct sight *see, const float *bias,
    const float *weights, const uint32_t *list, const uint32_t *begin, const float *x, int wanted) {{
  const struct sight s = *see;
  for (int part = 0; part < wanted; part += {part})
    for (int place = 0; place < s.rows * s.columns; place++) {{
      const int above = place / s.columns * s.down - s.top, before = place % s.columns * s.right - s.left;
      const int behind = before + s.taps_right < s.width ? before + s.taps_right : s.width;
      const int first = before < 0 ? 0 : before < s.width ? before : s.width, last = behind > first ? behind : first;
      float *const z = y + (size_t)place * (size_t)s.outputs;
{_indented(begin, 6)}
      for (int ky = 0; ky < s.taps_down; ky++) {{
        const int line = above + ky * s.spread;
        if (line < 0 || line >= s.height) continue;
        const int base = (line * s.width + before - ky * s.taps_right) * s.channels;
        const uint32_t end = begin[line * s.width + last];
        for (uint32_t k = begin[line * s.width + first]; k < end; k++) {{
          const float *const row = weights + (size_t)((int)list[k] - base) * {width} + part;
          {spread}
{_indented(times, 10)}
        }}
      }}
{_indented(end, 6)}
    }}
}}
"""


def _indented(lines: list[str], indent: int) -> str:
    return "\n".join(" " * indent + line for line in lines)
