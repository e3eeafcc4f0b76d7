"""What a run says of the loads that a trace is held against: which device, which clock, whether it throttled."""

from __future__ import annotations

from collections.abc import Sequence

from edgeproof.documents.device import DeviceDocument, DeviceMeasurement
from edgeproof.documents.power import ClockOffset, PowerTrace
from edgeproof.errors import UsageError
from edgeproof.measure.aligning import align
from edgeproof.meters.registry import meters
from edgeproof.meters.traces import Trace
from edgeproof.rundir import RunDir

__all__ = ["aligned", "clock_between", "first_held", "measured_on", "throttled_while_held"]

HOST = "host"
ASKED = "the device was asked its time when it was measured, within half of the round trip"
HERE = "recorded by this program on the measured machine: one clock"


def measured_on(run: RunDir, candidates: Sequence[str], device: str | None) -> DeviceDocument:
    """The document of the device that measured them.

    Raises:
        UsageError: there is none, more than one, or it is emulated.
    """
    documents = [document for document in run.devices() if device in (None, document.device)]
    if any(document.emulated for document in documents if document.device == device):
        raise UsageError(f"{device} is emulated: what it draws is what this machine draws")
    found = []
    for document in documents:
        done = {measurement.candidate for measurement in document.measurements if measurement.status == "ok"}
        if not document.emulated and done and set(candidates) <= done:
            found.append(document)
    if not found:
        known = ", ".join(document.device for document in run.devices()) or "none yet"
        what = ", ".join(candidates) or "nothing"
        asked = f"--candidates {','.join(candidates)} " if candidates else ""
        raise UsageError(
            f"{what} was {'not ' if candidates else ''}measured on {device or 'any device'} in {run.root}",
            hint=f"measured devices: {known}; first measure it there with a held load: edgeproof measure {run.root} "
            f"{asked}--hold 60s",
        )
    if len(found) > 1:
        names = ", ".join(document.device for document in found)
        raise UsageError(
            f"{' and '.join(candidates) or 'candidates'} were measured on {names}", hint="say which: --device"
        )
    return found[0]


def clock_between(trace: PowerTrace, document: DeviceDocument) -> ClockOffset | None:
    """How the clock of a trace of ours stands to the device's: the same where this host was measured, or the meter is
    part of the device; else the device was asked. None where nobody knows."""
    if trace.recorder is None:
        return None
    meter = meters().get(trace.meter)
    if document.device == HOST or (meter is not None and meter.about.on_board):
        return ClockOffset(0.0, 0.0, HERE)
    board = document.board
    if board is None or board.clock_offset_ms is None or board.clock_within_ms is None:
        return None
    return ClockOffset(board.clock_offset_ms, board.clock_within_ms, ASKED)


def throttled_while_held(measurement: DeviceMeasurement) -> bool | None:
    """Whether any look at the sensors within the held load saw throttling; what the measurement says without looks."""
    seen = [
        look.throttled
        for heat in measurement.heat
        for look in heat.samples
        if look.throttled is not None
        and any(held.begin_unix_ns <= look.unix_ns <= held.end_unix_ns for held in measurement.held)
    ]
    return any(seen) if seen else measurement.throttled


def first_held(document: DeviceDocument) -> int | None:
    """When the first load was held on a device."""
    begins = [held.begin_unix_ns for measurement in document.measurements for held in measurement.held]
    return min(begins, default=None)


def aligned(trace: Trace, document: DeviceDocument, candidates: Sequence[str]) -> ClockOffset:
    """How the clocks stand by the edges of the loads that were held.

    Raises:
        UsageError: the loads are not to be found in the trace.
    """
    held = [
        held
        for measurement in document.measurements
        if not candidates or measurement.candidate in candidates
        for held in measurement.held
    ]
    found = align(trace.unix_ns, trace.watts, held)
    if isinstance(found, str):
        raise UsageError(
            f"the load is not to be found in the trace: {found}", hint="--starts and --clock-within tell it"
        )
    return found
