"""Calls at a pace beside those that are back to back: where a candidate is slower when an app calls it now and then."""

from __future__ import annotations

from edgeproof.documents.device import DeviceDocument, DeviceMeasurement
from edgeproof.documents.held import Paced
from edgeproof.documents.latency import Percentile
from edgeproof.documents.policy import PolicyValue
from edgeproof.verdict.contest import Contest
from edgeproof.verdict.wording import figure, milliseconds

__all__ = ["SLOWER", "pace_lines", "pace_words", "slower_by"]

SLOWER = 1.2
"""Medians that lie further apart are told."""


def slower_by(measurement: DeviceMeasurement, paced: Paced) -> float | None:
    """Median at the pace over that of calls back to back; None where one was not measured."""
    if paced.steady is None or measurement.steady is None or not measurement.steady.median_us:
        return None
    return paced.steady.median_us / measurement.steady.median_us


def pace_words(pace_s: float) -> str:
    """``33 ms``, ``1 s``: a pace in its unit."""
    return f"{figure(pace_s)} s" if pace_s >= 1 else f"{figure(1000 * pace_s)} ms"


def pace_lines(contest: Contest) -> list[str]:
    """What the recommended candidate does at each pace, where it is slower there than back to back."""
    if contest.chosen is None:
        return []
    case = contest.cases[contest.chosen.candidate]
    return [
        line
        for device, measurement in case.on(contest.device)
        for paced in measurement.paced
        if (line := _warning(device, measurement, paced, contest.policy)) is not None
    ]


def _warning(device: DeviceDocument, measurement: DeviceMeasurement, paced: Paced, policy: PolicyValue) -> str | None:
    ratio = slower_by(measurement, paced)
    if ratio is None or ratio <= SLOWER or paced.steady is None:
        return None
    which = policy.latency_percentile
    percentile: Percentile = getattr(paced.steady, which)
    line = (
        f"called every {pace_words(paced.pace_s)} on {device.device}, {measurement.candidate} takes "
        f"{figure(ratio)} × as long as back to back: median {milliseconds(paced.steady.median_us)}"
    )
    if percentile.value_us is None:
        return line
    above = percentile.value_us / 1000 >= policy.latency_ms
    return f"{line}, {which} ≤ {milliseconds(percentile.value_us)}" + (
        f", which is not below the limit of {policy.latency_ms:g} ms" if above else ""
    )
