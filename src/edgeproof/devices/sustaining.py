"""Candidates under load for minutes, one after the other and each from the same temperature: the rank that lasts.

A phone is fast for a minute. What is told of a candidate is its median and percentiles window by window, and its place
among the others in the first and in the last of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from edgeproof.devices.base import Report
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.documents.sustained import Sustained

__all__ = ["BAND_C", "sustain"]

BAND_C = 2.0
"""Degrees above the first candidate's start that the others may begin at."""
WAIT_S = 600.0
"""To cool down, at most."""
WINDOW_S, LEAST_WINDOWS = 60.0, 5


def sustain(
    name: str,
    jobs: Mapping[str, RunnerJob],
    seconds: float,
    run: Callable[[str, RunnerJob], RunnerReport],
    report: Report,
) -> dict[str, Sustained | str]:
    """Hold each candidate's load for the time; what it did, or why there is nothing of it.

    Args:
        name: of the device.
        jobs: candidate to a job that opens it there; what they are told to time is left out.
        seconds: of each.
        run: runs a candidate's job on the device.
        report: takes a line a candidate.

    Raises:
        DeviceError: the device was lost.
    """
    found: dict[str, Sustained | str] = {}
    start_c: float | None = None
    window = min(WINDOW_S, seconds / LEAST_WINDOWS)
    for number, (candidate, job) in enumerate(jobs.items(), 1):
        report(f"{name}: {candidate}, {seconds:g} s under load ({number} of {len(jobs)})")
        below = None if start_c is None else start_c + BAND_C
        job = msgspec.structs.replace(
            job, measure=0, pace=None, outputs=None, hold=seconds, window=window, below=below, wait=WAIT_S
        )
        told = run(candidate, job)
        if told.error or told.held is None or not told.held.windows:
            found[candidate] = told.error or "it told no windows of the load"
            continue
        if start_c is None:
            start_c = told.temperature_before_c
        found[candidate] = _sustained(told, window, start_c)
        if told.waited_s:
            report(f"{name}: waited {told.waited_s:.0f} s for it to cool down before {candidate}")
    return _ranked(found)


def _sustained(told: RunnerReport, window: float, start_c: float | None) -> Sustained:
    assert told.held is not None
    before = told.temperature_before_c
    return Sustained(
        seconds=told.held.seconds,
        window_seconds=window,
        windows=told.held.windows,
        begin_unix_ns=told.held.begin_unix_ns,
        end_unix_ns=told.held.end_unix_ns,
        start_temperature_c=before,
        waited_s=told.waited_s,
        cool=None if before is None or start_c is None else before <= start_c + BAND_C,
    )


def _ranked(found: Mapping[str, Sustained | str]) -> dict[str, Sustained | str]:
    """With places among those that were measured."""
    known = {candidate: taken for candidate, taken in found.items() if isinstance(taken, Sustained)}
    first = sorted(known, key=lambda candidate: known[candidate].windows[0].median_us)
    last = sorted(known, key=lambda candidate: known[candidate].windows[-1].median_us)
    return {
        candidate: msgspec.structs.replace(
            taken, rank_first=first.index(candidate) + 1, rank_last=last.index(candidate) + 1, ranked=len(known)
        )
        if isinstance(taken, Sustained)
        else taken
        for candidate, taken in found.items()
    }
