"""The fixed part of the generated C for sums that are brought to the unit of their result."""

from __future__ import annotations

__all__ = ["FINISH"]

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
