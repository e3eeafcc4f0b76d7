"""How a verdict speaks: device names, figures with units."""

from __future__ import annotations

import math

from edgeproof.documents.device import DeviceClass

__all__ = ["TITLES", "and_list", "figure", "lasting", "milliseconds", "share", "shortened"]

TITLES: dict[DeviceClass, str] = {
    "host": "this host",
    "raspberry-pi": "a Raspberry Pi",
    "android": "an Android phone",
    "iphone": "an iPhone",
    "linux": "a Linux board",
}

LONGEST_REASON = 140


def figure(value: float) -> str:
    """Three significant digits, without an exponent between 0.001 and 100,000."""
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:.2g}"


def milliseconds(microseconds: float) -> str:
    """A time with its unit: µs below one millisecond, ms above."""
    return f"{figure(microseconds)} µs" if microseconds < 1000 else f"{figure(microseconds / 1000)} ms"


def lasting(hours: float) -> str:
    """A time in the unit in which it is read."""
    seconds = 3600 * hours
    if seconds < 120:
        return f"{figure(seconds)} s"
    return f"{figure(seconds / 60)} min" if hours < 2 else f"{figure(hours)} h"


def share(value: float) -> str:
    """A share 0..1 in percent, rounded down so that only an exact one reads 100."""
    if not math.isfinite(value):
        return "an unknown share of"
    return f"{math.floor(value * 1e4 + 1e-9) / 100:g}"


def shortened(text: str) -> str:
    """The start of a long text; the whole stands among the failures."""
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON].rstrip()}…"


def and_list(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
