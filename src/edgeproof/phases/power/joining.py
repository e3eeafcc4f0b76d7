"""A trace joined to a device's own measurement: the energy of a call stands in the device's document.

There is one document a device: a figure of a meter never stands beside it as a worse one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edgeproof.documents.device import DeviceDocument, DeviceMeasurement
from edgeproof.documents.parsing import file_bytes, parse_json
from edgeproof.documents.power import ClockOffset, Energy, PowerTrace
from edgeproof.errors import DocumentError, UsageError
from edgeproof.measure.energy import energy_of
from edgeproof.meters.android_text import is_batterystats, is_odpm, read_batterystats, read_odpm
from edgeproof.meters.csv_columns import Asked
from edgeproof.meters.csv_file import read_csv, text_of
from edgeproof.meters.registry import meters
from edgeproof.meters.traces import Trace, read_trace, write_trace
from edgeproof.phases.evaluate import conclude
from edgeproof.rundir import RunDir

__all__ = ["Joined", "TraceGiven", "join_trace", "read_given"]

HOST = "host"
ASKED = "the device was asked its time when it was measured, within half of the round trip"
HERE = "recorded by this program on the measured machine: one clock"


@dataclass(frozen=True)
class TraceGiven:
    """What is said of a file with power in it.

    Attributes:
        asked: of its columns, where it is a table.
        starts_unix_ns: when its first sample was taken, where its times count from there.
        offset_ms: what is added to its times for the device's.
        within_ms: how far off that may be; None: not told.
        idle_s: seconds at its beginning in which nothing ran.
    """

    asked: Asked = field(default_factory=Asked)
    starts_unix_ns: int | None = None
    offset_ms: float = 0.0
    within_ms: float | None = None
    idle_s: float | None = None

    @property
    def clock(self) -> ClockOffset | None:
        """As it was told."""
        if self.within_ms is None:
            return None
        return ClockOffset(self.offset_ms, self.within_ms, "told by hand")


@dataclass(frozen=True)
class Joined:
    """What came of it.

    Attributes:
        energy: the figures, or why there are none.
        trace: as it stands in the run.
        kept: whether an earlier figure was kept, since this trace gives none.
    """

    energy: Energy
    trace: PowerTrace
    kept: bool


def join_trace(folder: Path, file: Path, *, candidate: str, device: str | None, given: TraceGiven) -> Joined:
    """Join a file with power in it to what a run's device measured of a candidate, and write the run's report again.

    Args:
        folder: the run.
        file: a trace of ours, a table of another program, a battery history, or looks at a power monitor.
        candidate: which one ran.
        device: its address, as ``phase4_devices`` has it; None: the only one that measured the candidate.
        given: what is said of the file.

    Raises:
        RunFolderError: it is no run folder, or another process is at work in it.
        UsageError: no such candidate was measured on such a device; or as of ``read_csv``.
        DocumentError: the file has no trace in it.
    """
    run = RunDir.open(folder)
    document, measurement = measured_on(run, candidate, device)
    trace = read_given(file, given)
    told = trace.document
    clock = given.clock or told.clock or clock_between(told, document)
    told = msgspec.structs.replace(told, clock=clock, device=document.device, candidate=candidate)
    energy = energy_of(
        told,
        trace.unix_ns,
        trace.watts,
        measurement.held,
        throttled=throttled_while_held(measurement),
        idle_s=given.idle_s,
    )
    kept = energy.reason is not None and measurement.energy is not None and measurement.energy.reason is None
    with run.held():
        path = PowerTrace.path_of(document.device, candidate)
        if not kept:
            told = write_trace(run.path(path), told, trace.unix_ns, trace.watts)
            energy = msgspec.structs.replace(energy, trace=path)
            run.write(with_energy(document, candidate, energy))
            conclude(run)
    return Joined(energy, told, kept)


def read_given(file: Path, given: TraceGiven) -> Trace:
    """The trace in a file, whatever kind it is of.

    Raises:
        DocumentError: there is none in it. UsageError: as of ``read_csv``.
    """
    if file.suffix == ".json":
        return read_trace(file)
    try:
        head = file.open("rb").read(64).lstrip()
    except OSError as error:
        raise DocumentError(f"cannot read {file}: {error.strerror}") from error
    if head.startswith(b"{"):
        schema = parse_json(file_bytes(file)).get("schema", "no schema")
        raise DocumentError(f"{file} is JSON ({schema}) and no trace", hint="a trace's name ends in .json")
    text = text_of(file)
    if is_batterystats(text):
        return read_batterystats(file, text, clock=given.clock)
    if is_odpm(text):
        return read_odpm(file, text, clock=given.clock)
    return read_csv(file, given.asked, starts_unix_ns=given.starts_unix_ns, clock=given.clock)


def measured_on(run: RunDir, candidate: str, device: str | None) -> tuple[DeviceDocument, DeviceMeasurement]:
    """The device's document, and the candidate's measurement in it.

    Raises:
        UsageError: there is none, more than one, or it is emulated.
    """
    found = [
        (document, measurement)
        for document in run.devices()
        for measurement in document.measurements
        if measurement.candidate == candidate and measurement.status == "ok" and device in (None, document.device)
    ]
    emulated = [document.device for document in run.devices() if document.emulated and document.device == device]
    if emulated:
        raise UsageError(f"{emulated[0]} is emulated: what it draws is what this machine draws")
    if not found:
        where = f"on {device}" if device else "on any device"
        names = ", ".join(document.device for document in run.devices()) or "none yet"
        raise UsageError(
            f"{candidate} was not measured {where} in {run.root}",
            hint=f"measured devices: {names}; first measure it there with a held load: edgeproof measure {run.root} "
            f"--candidates {candidate} --hold 60s",
        )
    if len(found) > 1:
        names = ", ".join(document.device for document, _ in found)
        raise UsageError(f"{candidate} was measured on {names}", hint="say which: --device ADDRESS")
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


def with_energy(document: DeviceDocument, candidate: str, energy: Energy) -> DeviceDocument:
    """The device's document with a candidate's energy."""
    measurements = tuple(
        msgspec.structs.replace(measurement, energy=energy, energy_mj=energy.gross_mj)
        if measurement.candidate == candidate
        else measurement
        for measurement in document.measurements
    )
    missing = dict(document.not_measured)
    if any(measurement.energy_mj is not None for measurement in measurements):
        missing.pop("energy", None)
    return msgspec.structs.replace(document, measurements=measurements, not_measured=missing)
