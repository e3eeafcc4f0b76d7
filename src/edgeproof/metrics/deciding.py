"""How many samples would decide. Imports nothing heavy: a verdict asks."""

from __future__ import annotations

import math

__all__ = ["samples_to_decide"]


def samples_to_decide(
    drop: float, low: float, high: float, count: int, limit: float, *, alike: bool = False
) -> int | None:
    """About how many samples would tell on which side of the limit a drop lies, if it stays what it is.

    The interval narrows with the square root of their number; where no pair was discordant, with the number itself.

    Args:
        drop: the estimate, all in the limit's unit.
        low: end of its interval.
        high: the other end.
        count: how many samples it is of.
        alike: whether no pair was discordant.

    Returns:
        None where the estimate is the limit, which no number decides, or would take a million or more.
    """
    apart = limit - drop
    width = (high - drop) if apart > 0 else (drop - low)
    if apart == 0 or width <= 0:
        return None
    needed = count * (width / abs(apart)) ** (1 if alike else 2)
    return math.ceil(needed) if needed < 1e6 else None
