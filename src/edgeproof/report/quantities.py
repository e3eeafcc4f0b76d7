"""Figures as text: a fixed number of digits, the unit beside them or in the column's head. Knows no document."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

__all__ = ["byte_size", "difference", "percent", "scaled", "significant", "written"]

SCALES = {"µs": (("µs", 1.0), ("ms", 1e3)), "bytes": (("kB", 1e3), ("MB", 1e6))}
"""By unit: what a column's head may say, and how much of the unit that is."""


def significant(value: float, digits: int = 3) -> str:
    """``digits`` significant digits without an exponent between 0.001 and a million; ``0`` is exact."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        return f"{value:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    if size >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    decimals = max(digits - 1 - math.floor(math.log10(size)), 0)
    return f"{value:.{decimals}f}"


def difference(value: float) -> str:
    """A difference: two significant digits, scientific below 0.01; an exact zero is ``0``."""
    if value == 0:
        return "0"
    return f"{value:.2g}" if 0.01 <= abs(value) < 1000 else f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")


def percent(share: float) -> str:
    """A share 0..1 in percent, never rounded up to 100."""
    text = f"{100 * share:.1f}"
    return "> 99.9" if text == "100.0" and share < 1 else text


def byte_size(size: int) -> str:
    """One size with its decimal unit."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{significant(size / scale)} {unit}"
    return f"{size} B"


def written(unit: str, value: float) -> str:
    """A figure of a unit as it is, not scaled; a share in percent."""
    shows: dict[str, Callable[[float], str]] = {"bytes": "{:,}".format, "share": percent, "points": points}
    return shows.get(unit, difference if unit in ("relative L2", "max_abs", "tolerance") else significant)(value)


def points(value: float) -> str:
    """Percentage points."""
    return f"{value:.2f}".replace("-0.00", "0.00")


def scaled(unit: str, values: Iterable[float]) -> tuple[str, Callable[[float], str]]:
    """The unit that a column of such values has in its head, and how each of them is written.

    Times are in ms and sizes in MB (decimal), in µs and kB while the middle value is below one of those.
    """
    if unit not in SCALES:
        return ("%" if unit == "share" else unit), partial(written, unit)
    smaller, larger = SCALES[unit]
    ordered = sorted(values)
    head, scale = smaller if ordered and ordered[len(ordered) // 2] < larger[1] else larger
    return head, lambda value: significant(value / scale)
