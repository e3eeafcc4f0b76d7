"""How a verdict speaks: device names, figures with units, and the one sentence that carries it."""

from __future__ import annotations

import math

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import Standing

__all__ = ["TITLES", "and_list", "figure", "milliseconds", "sentence_of", "share", "shortened"]

TITLES: dict[DeviceClass, str] = {
    "host": "this host",
    "raspberry-pi": "a Raspberry Pi",
    "android": "an Android phone",
    "iphone": "an iPhone",
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


def sentence_of(
    device_class: DeviceClass,
    chosen: Standing | None,
    open_ones: list[Standing],
    *,
    ships: bool,
    made: bool,
    measured: bool,
    confidence: str,
) -> str:
    """The verdict in one sentence.

    Args:
        device_class: the device class it is about.
        chosen: the recommended candidate, or None.
        open_ones: without a recommendation, the candidates that could still qualify.
        ships: whether any candidate of the run ships to the class.
        made: whether any candidate of the run could be made at all.
        measured: whether a real device of the class was measured.
        confidence: high, medium or low.
    """
    where, mark = TITLES[device_class], f"(confidence: {confidence})"
    if chosen is None:
        names = and_list([standing.candidate for standing in open_ones[:3]])
        if names:
            return f"On {where}, undecided: {names} could qualify, and what would tell was not measured {mark}."
        if not made:
            return f"On {where}, there is nothing to ship: no candidate could be made of this model {mark}."
        if ships:
            return f"On {where}, nothing qualifies: every candidate that ships there misses the policy {mark}."
        return f"On {where}, there is nothing to choose from: no candidate of this run ships there {mark}."
    action = (
        f"run it with its own engine, {chosen.candidate}" if chosen.sdk else f"convert, and ship {chosen.candidate}"
    )
    grounds = grounds_of(chosen)
    if measured:
        return f"On {where}, {action}: {', '.join(grounds) or 'it meets the policy'} {mark}."
    basis = grounds[0] if grounds else "its outputs are within the policy"
    return f"On {where}, provisionally {action}: {basis}, but nothing was measured there {mark}."


def grounds_of(chosen: Standing) -> list[str]:
    """The two points that say most for a candidate: latency and task score, else the difference."""
    met = {point.name: point.text for point in chosen.points if point.state == "met"}
    return [
        met[name].replace(", limit", " against a limit of") for name in ("latency", "task", "difference") if name in met
    ][:2]
