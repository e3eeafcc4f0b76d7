"""A soak on a device, in processes of some minutes each: a link that is lost costs one of them, and not the soak.

The device's own process tells its windows when it is over. What is known is kept after each, so that it survives the
death of this process too. Memory has a trend within each process alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from edgeproof.devices.base import Device, Report
from edgeproof.devices.room import room
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.documents.soak import SoakReport
from edgeproof.errors import DeviceError
from edgeproof.measure.soaking import Soaking
from edgeproof.process import Limits

__all__ = ["CHUNK_S", "soak_on"]

CHUNK_S = 600.0
"""Of one process."""
WAITS_S = (2.0, 10.0, 30.0, 60.0)
"""Before a lost device is tried again; the last of them until it was away for too long."""
AWAY_S = 1800.0
DEATHS = 3
"""Processes in a row that die: the artifact does not run any more."""


def soak_on(
    device: Device,
    job: RunnerJob,
    start: SoakReport,
    *,
    limits: Limits | None = None,
    chunk_s: float = CHUNK_S,
    away_s: float = AWAY_S,
    keep: Callable[[SoakReport], None] | None = None,
    report: Report = lambda _line: None,
) -> SoakReport:
    """Soak until the time is over, the device stays away, or the artifact dies again and again.

    Args:
        device: where; it is no emulated one.
        job: opens the artifact there.
        start: what is known before it begins, or what an earlier soak saw.
        limits: of a process; the time held comes on top.
        chunk_s: of one process, two windows at least.
        away_s: that a lost device is waited for.
        keep: takes the report after each process, marked as partial.
        report: takes a line of progress.

    Returns:
        what was seen; partial where it ended before its time.

    Raises:
        DeviceError: the device was lost before anything was seen, or gives no times.
    """
    if device.emulated:
        raise DeviceError(f"{device.name} is emulated: it has no times of its own, and a soak of it says nothing")
    soaking = Soaking(start, keep)
    window_s, bounds = start.window_seconds, limits or Limits(seconds=180)
    chunk_s = max(chunk_s, 2 * window_s)
    deaths = 0
    try:
        while soaking.left >= window_s / 2 and deaths < DEATHS:
            hold = min(chunk_s, max(soaking.left, window_s))
            job = msgspec.structs.replace(job, measure=0, hold=hold, window=window_s)
            told = _told(device, job, bounds, soaking, away_s, report)
            if told is None:
                break
            deaths = deaths + 1 if told.error or told.held is None or not told.held.windows else 0
            _take(soaking, told)
            soaking.checkpoint()
            report(_line(device, soaking, told))
    except KeyboardInterrupt:
        soaking.checkpoint()
        raise
    if not soaking.windows:
        fault = soaking.segments[-1].fault if soaking.segments else soaking.outages[-1].reason
        raise DeviceError(f"{device.name}: nothing could be soaked: {fault}")
    seen = soaking.report(partial=soaking.left >= window_s / 2)
    if keep is not None:
        keep(seen)
    return seen


def _told(
    device: Device, job: RunnerJob, limits: Limits, soaking: Soaking, away_s: float, report: Report
) -> RunnerReport | None:
    """What a process tells; None where the device was lost and stayed away."""
    lost_at: float | None = None
    tries = 0
    while True:
        began = time.monotonic()
        try:
            told = device.run(job, room(limits, job))
        except DeviceError as error:
            now = time.monotonic()
            if lost_at is None:
                lost_at = now
                soaking.outage(str(error), lost_s=now - began)
                soaking.checkpoint()
            wait_s = WAITS_S[min(tries, len(WAITS_S) - 1)]
            if now + wait_s - lost_at > away_s:
                return None
            report(f"warning: {error}; trying again in {wait_s:g} s")
            time.sleep(wait_s)
            tries += 1
            continue
        if lost_at is not None:
            soaking.back(began - lost_at)
        return told


def _take(soaking: Soaking, told: RunnerReport) -> None:
    """A process's windows, or why it has none."""
    held = told.held
    soaking.begin(held.begin_unix_ns if held is not None else told.started_unix_ns or time.time_ns())
    if held is not None:
        ends = [window.start_s for window in held.windows[1:]] + [held.seconds]
        for window, end in zip(held.windows, ends, strict=True):
            soaking.add(window, end)
    if told.error or held is None or not held.windows:
        soaking.died(told.error or "it told no windows of the load")


def _line(device: Device, soaking: Soaking, told: RunnerReport) -> str:
    if told.held is None:
        return f"warning: {device.name}: {told.error or 'the process told nothing'}"
    return f"{device.name}: {soaking.seconds:6.0f} s  {told.held.median_us:.1f} µs"
