"""Whether a meter's trace and a held load make an energy, or why not: marks, clocks, gaps, faults, too few samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeproof.documents.held import Held
from edgeproof.documents.power import Gap, PowerTrace
from edgeproof.measure.power_samples import Samples, Times, Watts, mean_power

__all__ = ["CLOCKS_WITHIN_MS", "CLOCK_SHARE", "ENOUGH", "FRESH", "GAP_SHARE", "GARBAGE_SHARE", "broken", "why_not"]

CLOCKS_WITHIN_MS = 400.0
"""MLPerf Power's bound."""
ENOUGH = 30
"""Samples in a stretch, at least."""
FRESH = 10
"""Of them, new values: what is read again before it is measured again is no sample."""
CLOCK_SHARE = 0.05
"""Of a stretch: what the clocks leave open may be no more of it."""
GARBAGE_SHARE = 0.01
"""Of a stretch's samples: so much of what came may be no reading, as a radio link loses."""
GAP_SHARE = 0.05
"""Of a stretch: gaps may be no more of it. Between their ends power is taken to go straight."""
SET_S = 0.05
"""A held stretch is as long by both of the device's clocks, else one was set."""


def why_not(
    trace: PowerTrace, unix_ns: Times, watts: Watts, held: Sequence[Held], *, throttled: bool | None = None
) -> str | None:
    """Why no figure can be made of the trace and the stretches; None where one can. Arguments as of
    ``energy.energy_of``."""
    if not held:
        return "no load was held, so nothing says which samples are of it: measure again with --hold 60s"
    if trace.charging:
        return "the battery was charged meanwhile: its current is not what the device drew"
    if throttled:
        return "the device throttled meanwhile: what it drew is not what it draws"
    clock = trace.clock
    if clock is None:
        return (
            "how far the meter's clock is from the device's is not known: tell it with --clock-within, or find the "
            "load by its edges with --align"
        )
    if clock.within_ms > CLOCKS_WITHIN_MS:
        return f"the clocks agree within {clock.within_ms:.0f} ms only; {CLOCKS_WITHIN_MS:.0f} ms are needed"
    shift = round(clock.offset_ms * 1e6)
    shortest = min(stretch.seconds for stretch in held)
    if clock.within_ms / 1e3 > CLOCK_SHARE * shortest:
        return (
            f"the clocks agree within {clock.within_ms:.0f} ms, which is more than {CLOCK_SHARE:.0%} of the "
            f"{shortest:.3g} s that were held: hold {clock.within_ms / 1e3 / CLOCK_SHARE:.0f} s or more"
        )
    last = max(stretch.end_unix_ns for stretch in held)
    for fault in trace.faults:
        if fault.kind == "clock jump" and fault.unix_ns + shift <= last:
            return f"{fault.text}, while the meter recorded: its times cannot be held against the marks"
    if not np.all(np.isfinite(watts)):
        return "the trace has values that are no numbers"
    samples = Samples(unix_ns + shift, watts)
    return next((reason for stretch in held if (reason := _why_not_in(trace, samples, stretch, shift))), None)


def _why_not_in(trace: PowerTrace, samples: Samples, stretch: Held, shift: int) -> str | None:
    """The same of one stretch."""
    begin, end = stretch.begin_unix_ns, stretch.end_unix_ns
    if stretch.calls < 1 or end <= begin:
        return "a held stretch has no calls"
    if stretch.errors:
        return f"{stretch.errors} calls of the held load failed: what they took is in the power, and not in the calls"
    if abs((end - begin) / 1e9 - stretch.seconds) > SET_S:
        return (
            f"the device's clock was set while the load was held: {(end - begin) / 1e9:.3f} s by its marks, "
            f"{stretch.seconds:.3f} s by its steady clock"
        )
    if samples.unix_ns[0] > begin or samples.unix_ns[-1] < end:
        ended = f"; {trace.partial}" if trace.partial else ""
        return (
            f"the trace covers {_covered(samples, begin, end):.0%} of the held stretch: it has to begin before and end "
            f"after it{ended}"
        )
    count = samples.within(begin, end)
    if count < ENOUGH:
        hold = ENOUGH / max(count, 1) * stretch.seconds
        return f"{count} samples in the held stretch are too few: {ENOUGH} are needed, so hold {hold:.0f} s or more"
    fresh = samples.changes(begin, end)
    if not fresh:
        return "every sample in the held stretch is the same: the meter has stalled"
    if fresh < FRESH:
        hold = FRESH / fresh * stretch.seconds
        return (
            f"the meter had {fresh} new values in the held stretch, however often it was read: {FRESH} are needed, so "
            f"hold {hold:.0f} s or more"
        )
    return broken(trace, samples, begin, end, shift)


def broken(trace: PowerTrace, samples: Samples, begin: int, end: int, shift: int) -> str | None:
    """Why a stretch of the trace cannot be integrated."""
    gaps = [gap for gap in trace.gaps if gap.begin_unix_ns + shift < end and gap.end_unix_ns + shift > begin]
    unseen = sum(min(gap.end_unix_ns + shift, end) - max(gap.begin_unix_ns + shift, begin) for gap in gaps)
    if unseen > GAP_SHARE * (end - begin):
        stalled = any(fault.kind == "stall" and _in(fault.unix_ns, gap) for fault in trace.faults for gap in gaps)
        why = ": the meter stalled" if stalled else ""
        return f"the trace has gaps of {unseen / 1e9:.2f} s in the stretch, {unseen / (end - begin):.0%} of it{why}"
    inside = [fault for fault in trace.faults if begin <= fault.unix_ns + shift <= end]
    for fault in inside:
        if fault.kind not in ("garbage", "clock jump"):
            return f"in the stretch: {fault.text}"
    garbage = [fault for fault in inside if fault.kind == "garbage"]
    if len(garbage) > GARBAGE_SHARE * samples.within(begin, end):
        return f"{len(garbage)} answers of the meter in the stretch were garbage, the first: {garbage[0].text}"
    mean = mean_power(samples.unix_ns, samples.watts, begin, end)
    return None if mean > 0 else f"mean power in the stretch is {1e3 * mean:.3g} mW: the meter is the wrong way round"


def _in(unix_ns: int, gap: Gap) -> bool:
    return gap.begin_unix_ns <= unix_ns <= gap.end_unix_ns


def _covered(samples: Samples, begin: int, end: int) -> float:
    """Share of a stretch that the trace lies over."""
    both = min(end, int(samples.unix_ns[-1])) - max(begin, int(samples.unix_ns[0]))
    return max(both, 0) / (end - begin)
