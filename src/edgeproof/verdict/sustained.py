"""What minutes under load say beside the first calls: who changed places, who slows down, who was not measured so."""

from __future__ import annotations

from edgeproof.documents.device import DeviceMeasurement
from edgeproof.verdict.contest import Contest
from edgeproof.verdict.wording import and_list, figure, lasting

__all__ = ["sustained_lines"]

SLOWED = 1.05
"""A last window that is slower than the first by no more is as fast."""


def sustained_lines(contest: Contest) -> list[str]:
    """Lines for a verdict; none where nothing was measured under load for minutes."""
    lines = []
    for device in contest.evidence.devices:
        if device.device_class != contest.device or device.emulated:
            continue
        found = [taken for taken in device.measurements if taken.sustained is not None]
        if not found:
            continue
        first = min(found, key=lambda taken: _rank(taken, "rank_first"))
        last = min(found, key=lambda taken: _rank(taken, "rank_last"))
        took = lasting(max(taken.sustained.seconds for taken in found if taken.sustained is not None) / 3600)
        if len(found) > 1:
            lines.append(
                f"{last.candidate} is the fastest first and after {took} under load on {device.device}"
                if first is last
                else f"{first.candidate} is the fastest at first and {last.candidate} after {took} under load on "
                f"{device.device}"
            )
        slowed = [
            f"{taken.candidate} by {figure(100 * (taken.sustained.slowed - 1))} %"
            for taken in found
            if taken.sustained is not None and taken.sustained.slowed > SLOWED
        ]
        if slowed:
            lines.append(f"under load for {took} on {device.device} slow down: {and_list(slowed)}")
        warm = [taken.candidate for taken in found if taken.sustained is not None and taken.sustained.cool is False]
        if warm:
            lines.append(f"{device.device} was still warmer than for the first when {and_list(warm)} began under load")
        lacking = [
            taken.candidate
            for taken in device.measurements
            if taken.sustained is None and taken.steady is not None and taken.candidate in contest.in_question
        ]
        if lacking:
            lines.append(
                f"the order rests on calls that are over in seconds: {and_list(lacking)} "
                f"{'was' if len(lacking) == 1 else 'were'} not measured under load on {device.device}"
            )
    return lines


def _rank(taken: DeviceMeasurement, which: str) -> int:
    return getattr(taken.sustained, which) or 10**6
