"""Where in a trace a held load ended, by its edges: for a meter whose clock nobody knows.

Power falls when a load is let go. The stretches' ends are known on the device's clock, and how far they are from each
other; the offset at which power falls most at all of them is the one between the clocks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeproof.documents.held import Held
from edgeproof.documents.power import ClockOffset
from edgeproof.measure.power_samples import Times, Watts

__all__ = ["align"]

WINDOW_S = 2.0
"""Before and after an end that are held against each other; a quarter of a shorter stretch."""
LETTING_GO_MS = 300.0
"""A process that has let go of its load still writes its report and ends: the edge may be so much later."""
STANDS_OUT = 2.0
"""The fall is so many times as large as the next largest elsewhere."""
MOST_PLACES = 20_000


def align(unix_ns: Times, watts: Watts, held: Sequence[Held]) -> ClockOffset | str:
    """The offset of the device's clock to the trace's, or why the load is not to be found in it.

    Args:
        unix_ns: times of the samples, ascending, on the trace's clock, whatever it counts from.
        watts: as many.
        held: stretches whose ends are looked for, on the device's clock.
    """
    if not held:
        return "no load was held"
    window = min(WINDOW_S, *(stretch.seconds / 4 for stretch in held))
    since = (unix_ns - unix_ns[0]) / 1e9
    usual = float(np.median(np.diff(since)))
    if window < 3 * usual:
        return f"a sample each {usual:.2g} s shows no edge of so short a load: hold it for longer"
    first = min(stretch.end_unix_ns for stretch in held)
    ends = [(stretch.end_unix_ns - first) / 1e9 for stretch in held]
    longest = max(stretch.seconds for stretch in held)
    energy = np.concatenate(([0.0], np.cumsum(np.diff(since) * (watts[1:] + watts[:-1]) / 2)))
    places = since[(since >= longest) & (since + max(ends) + window <= since[-1])]
    if not len(places):
        return "the trace is shorter than what was held"
    places = places[:: max(1, len(places) // MOST_PLACES)]

    def mean(begin: Watts) -> Watts:
        spent: Watts = np.interp(begin + window, since, energy) - np.interp(begin, since, energy)
        return spent / window

    falls = np.array([mean(places + end - window) - mean(places + end) for end in ends])
    least = falls.min(axis=0)  # a fall at every end, or it is none of these loads
    best = int(np.argmax(least))
    elsewhere = least[np.abs(places - places[best]) > window]
    next_best = max(float(elsewhere.max()), 0.0) if len(elsewhere) else 0.0
    noise = float(np.std(elsewhere)) if len(elsewhere) else 0.0
    if least[best] <= 0 or least[best] < STANDS_OUT * next_best or least[best] < 3 * noise:
        return (
            f"power falls by {1e3 * least[best]:.0f} mW at most where the load could have ended, and by "
            f"{1e3 * next_best:.0f} mW elsewhere too: no end stands out"
        )
    offset = (first - int(unix_ns[0])) / 1e6 - 1e3 * float(places[best])
    how = f"by the load's edges: power falls by {1e3 * least[best]:.0f} mW at {len(ends)} end{'s' * (len(ends) > 1)}"
    return ClockOffset(round(offset, 3), round(LETTING_GO_MS + 2e3 * usual, 3), how)
