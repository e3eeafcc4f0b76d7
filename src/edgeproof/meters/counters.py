"""Power from a counter of energy: its steps over time, with its wraps explained or told."""

from __future__ import annotations

from edgeproof.meters.base import CounterBroken, Reading

__all__ = ["PLAUSIBLE_W", "EnergyCounter"]

PLAUSIBLE_W = 1000.0
"""More than a machine of this kind draws: a step beyond it is no energy."""


class EnergyCounter:
    """A counter of microjoules. A step's mean power stands at the middle of its interval.

    Args:
        name: of what it counts, for messages.
        range_uj: where it begins anew; None: not known.
    """

    def __init__(self, name: str, range_uj: int | None) -> None:
        self._name, self._range = name, range_uj
        self._last: tuple[int, int] | None = None

    def step(self, unix_ns: int, microjoules: int) -> Reading | None:
        """The mean power since the last value; None for the first one.

        Raises:
            CounterBroken: it went back and its range does not explain it, may have wrapped more than once, or its clock
                did not go on.
        """
        before, self._last = self._last, (unix_ns, microjoules)
        if before is None:
            return None
        seconds = (unix_ns - before[0]) / 1e9
        if seconds <= 0:
            raise CounterBroken(f"{self._name}: the clock did not go on between two values of the counter")
        delta = microjoules - before[1]
        if self._range is not None and seconds * PLAUSIBLE_W * 1e6 > self._range:
            raise CounterBroken(
                f"{self._name}: {seconds:.0f} s passed, in which the counter may have wrapped more than once"
            )
        if delta < 0:
            if self._range is None:
                raise CounterBroken(
                    f"{self._name}: the counter went back by {-delta} µJ, and where it wraps is not told"
                )
            delta += self._range
        watts = delta / 1e6 / seconds
        if not 0 <= watts <= PLAUSIBLE_W:
            raise CounterBroken(
                f"{self._name}: the counter's step is {watts:.0f} W over {seconds:.2f} s: no wrap explains it"
            )
        return Reading((unix_ns + before[0]) // 2, watts)
