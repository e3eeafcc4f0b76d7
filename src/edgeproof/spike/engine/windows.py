"""The fixed part of the generated C that lists the spikes in windows side by side, for ``sums.near_sums``.

What stands side by side in a row of the image stands side by side in the list of events too, so a row of a window is a
run of that list. Most are short: eight are copied at once, and seldom more.
"""

from __future__ import annotations

from collections.abc import Collection

from edgeproof.spike.engine.sums import indented

__all__ = ["windows_seen"]

_EVENTS = """
#if LANES > 1
/* Where the weights of a run of events begin; what stands behind them is written over. */
typedef uint32_t VARIANT(events) __attribute__((vector_size(LANES == 4 ? 16 : 32), aligned(4), may_alias));
TARGET static inline void VARIANT(eight_of)(uint32_t *to, const uint32_t *list, uint32_t base, uint32_t wide) {
  for (int i = 0; i < 8; i += LANES == 4 ? 4 : 8)
    *(VARIANT(events) *)(to + i) = (*(const VARIANT(events) *)(list + i) - base) * wide;
}
TARGET static ALONE void VARIANT(rest_of)(uint32_t *to, const uint32_t *list, uint32_t count, uint32_t base,
    uint32_t wide) {
  for (uint32_t k = 8; k < count; k += 8) VARIANT(eight_of)(to + k, list + k, base, wide);
}
TARGET static inline void VARIANT(run_of)(uint32_t *to, const uint32_t *list, uint32_t count, uint32_t base,
    uint32_t wide) {
  VARIANT(eight_of)(to, list, base, wide);
  if (__builtin_expect(count > 8, 0)) VARIANT(rest_of)(to, list, count, base, wide);
}

/* Where the weights begin of the events in the windows of so many places side by side: ascending, and each as many as
 * there are in the fullest of them, by the weights of nothing. `row` and `column` are those of the first place. */
"""


def windows_seen(places: Collection[int]) -> str:
    """Lists of the events in the windows of so many places side by side."""
    return _EVENTS + "".join(map(_seen, sorted(places))) + "#endif\n" if places else ""


def _seen(places: int) -> str:
    every = range(places)
    begin = [
        *(f"uint32_t *const from{at} = weights + {at} * room, *to{at} = from{at};" for at in every),
        *(f"const int before{at} = (column + {at}) * s.right - s.left;" for at in every),
        *(f"const int first{at} = before{at} < 0 ? 0 : before{at} < s.width ? before{at} : s.width;" for at in every),
        *(
            f"const int end{at} = before{at} + s.taps_right < s.width ? before{at} + s.taps_right : s.width;"
            for at in every
        ),
        *(f"const int behind{at} = end{at} > first{at} ? end{at} : first{at};" for at in every),
    ]
    each = [
        line
        for at in every
        for line in (
            f"const uint32_t run{at} = begin[here + first{at}], count{at} = begin[here + behind{at}] - run{at};",
            f"VARIANT(run_of)(to{at}, list + run{at}, count{at}, base + (uint32_t)(before{at} * s.channels), wide);",
            f"to{at} += count{at};",
        )
    ]
    end = [
        *(f"const uint32_t all{at} = (uint32_t)(to{at} - from{at});" for at in every),
        "uint32_t most = all0;",
        *(f"most = all{at} > most ? all{at} : most;" for at in every if at),
        *(f"VARIANT(nothing_more)(to{at}, from{at} + most, nothing);" for at in every),
    ]
    return f"""TARGET static inline uint32_t VARIANT(seen{places})(const struct sight s, int row, int column,
    const uint32_t *list, const uint32_t *begin, uint32_t wide, uint32_t nothing, uint32_t *weights, size_t room) {{
{indented(begin, 2)}
  for (int ky = 0; ky < s.taps_down; ky++) {{
    const int line = row * s.down - s.top + ky * s.spread;
    if (line < 0 || line >= s.height) continue;
    const int here = line * s.width;
    const uint32_t base = (uint32_t)((here - ky * s.taps_right) * s.channels);
{indented(each, 4)}
  }}
{indented(end, 2)}
  return most;
}}
"""
