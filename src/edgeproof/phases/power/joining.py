"""A trace joined to a device's own measurement: the energy of a call stands in the device's document.

There is one document a device: a figure of a meter never stands beside it as a worse one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from edgeproof.documents.device import DeviceDocument, DeviceMeasurement
from edgeproof.documents.parsing import file_bytes, parse_json
from edgeproof.documents.power import ClockOffset, Energy, PowerTrace
from edgeproof.errors import DocumentError, UsageError
from edgeproof.measure.energy import energy_of
from edgeproof.meters.android_text import is_batterystats, is_odpm, read_batterystats, read_odpm
from edgeproof.meters.csv_columns import Asked
from edgeproof.meters.csv_file import read_csv
from edgeproof.meters.csv_table import text_of
from edgeproof.meters.traces import Trace, named, read_trace, write_trace
from edgeproof.phases.evaluate import conclude
from edgeproof.phases.power.measured import (
    aligned,
    clock_between,
    first_held,
    measured_on,
    throttled_while_held,
)
from edgeproof.rundir import RunDir

__all__ = ["ONE_CLOCK", "Joined", "TraceGiven", "join", "join_trace", "read_given"]

BY_HAND = "told by hand"
ONE_CLOCK = "recorded on the device itself: one clock"


@dataclass(frozen=True)
class TraceGiven:
    """What is said of a file with power in it.

    Attributes:
        asked: of its columns, where it is a table.
        starts_unix_ns: when its first sample was taken, where its times count from there.
        offset_ms: what is added to its times for the device's.
        within_ms: how far off that may be; None: not told.
        idle_s: seconds at its beginning in which nothing ran.
        clock_by: how the clocks' difference is known.
        aligned: whether the clocks are brought together by the edges of the load, and no time of the file is believed.
    """

    asked: Asked = field(default_factory=Asked)
    starts_unix_ns: int | None = None
    offset_ms: float = 0.0
    within_ms: float | None = None
    idle_s: float | None = None
    clock_by: str = BY_HAND
    aligned: bool = False

    @property
    def clock(self) -> ClockOffset | None:
        """As it was told."""
        if self.within_ms is None:
            return None
        return ClockOffset(self.offset_ms, self.within_ms, self.clock_by)


@dataclass(frozen=True)
class Joined:
    """What came of it for one candidate.

    Attributes:
        candidate: its name.
        energy: the figures, or why there are none.
        kept: whether an earlier figure was kept, since this trace gives none.
    """

    candidate: str
    energy: Energy
    kept: bool


def join_trace(
    folder: Path, file: Path, *, candidates: Sequence[str] = (), device: str | None = None, given: TraceGiven
) -> tuple[PowerTrace, list[Joined]]:
    """Join a file with power in it to what a run's device measured, and write the run's report again.

    Args:
        folder: the run.
        file: a trace of ours, a table of another program, a battery history, or looks at a power monitor.
        candidates: which ran meanwhile; empty: those whose held load lies in the trace's time.
        device: its address, as ``phase4_devices`` has it; None: the only one that measured them.
        given: what is said of the file.

    Returns:
        the trace as it stands in the run, and what came of it for each candidate.

    Raises:
        RunFolderError: it is no run folder, or another process is at work in it.
        UsageError: no such candidate was measured on such a device, or no held load lies in the trace's time; or as of
            ``read_csv``.
        DocumentError: the file has no trace in it.
    """
    run = RunDir.open(folder)
    document = measured_on(run, candidates, device)
    if given.aligned and given.starts_unix_ns is None:
        given = replace(given, starts_unix_ns=first_held(document))
    trace = read_given(file, given)
    with run.held():
        joined = join(run, trace, candidates=candidates, device=device, given=given)
        conclude(run)
    return joined


def join(
    run: RunDir, trace: Trace, *, candidates: Sequence[str] = (), device: str | None = None, given: TraceGiven
) -> tuple[PowerTrace, list[Joined]]:
    """The same with a trace that was read, in a run that is held; no report is written. Arguments as of
    ``join_trace``."""
    document = measured_on(run, candidates, device)
    clock = given.clock or trace.document.clock or clock_between(trace.document, document)
    if given.aligned:
        clock = aligned(trace, document, candidates)
    told = msgspec.structs.replace(trace.document, clock=clock, device=document.device)
    told = named(told, trace.unix_ns, trace.watts)
    chosen = [
        measurement
        for measurement in document.measurements
        if measurement.candidate in candidates or (not candidates and lies_in(measurement, told))
    ]
    if not chosen:
        raise UsageError(
            f"no load was held on {document.device} while the trace was recorded",
            hint="are its times right? --starts and --clock-offset say them; --candidate says which one ran",
        )
    joined = []
    for measurement in chosen:
        energy = energy_of(
            told,
            trace.unix_ns,
            trace.watts,
            measurement.held,
            throttled=throttled_while_held(measurement),
            idle_s=given.idle_s,
        )
        kept = energy.reason is not None and measurement.energy is not None and measurement.energy.reason is None
        energy = msgspec.structs.replace(energy, trace=told.path_in_run())
        joined.append(Joined(measurement.candidate, energy, kept))
        if not kept:
            document = with_energy(document, measurement.candidate, energy)
    told = write_trace(run.path(told.path_in_run()), told, trace.unix_ns, trace.watts)
    run.write(document)
    remove_unnamed(run)
    return told, joined


def lies_in(measurement: DeviceMeasurement, trace: PowerTrace) -> bool:
    """Whether any held load of a candidate lies in the trace's time, a part of it at least."""
    shift = round((trace.clock.offset_ms if trace.clock is not None else 0.0) * 1e6)
    begin, end = trace.begin_unix_ns + shift, trace.end_unix_ns + shift
    return any(held.begin_unix_ns < end and held.end_unix_ns > begin for held in measurement.held)


def remove_unnamed(run: RunDir) -> None:
    """The traces that no energy names any more."""
    named_by = {
        measurement.energy.trace
        for document in run.devices()
        for measurement in document.measurements
        if measurement.energy is not None
    }
    for path in run.path(PowerTrace.FILE).glob("*.json"):
        if run.relative(path) not in named_by:
            path.unlink()
            path.with_suffix(".npz").unlink(missing_ok=True)


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
