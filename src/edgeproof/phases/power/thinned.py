"""The traces of a run as a report draws them: a few hundred bins each. One that cannot be read is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeproof.documents.device import DeviceMeasurement
from edgeproof.documents.evaluation import Evidence
from edgeproof.documents.power import Energy
from edgeproof.errors import DocumentError, RunFolderError
from edgeproof.report.content import PowerSeen
from edgeproof.rundir import RunDir

if TYPE_CHECKING:
    from edgeproof.meters.traces import Trace

__all__ = ["power_seen", "thinned"]

BINS = 400


def power_seen(run: RunDir, evidence: Evidence) -> tuple[PowerSeen, ...]:
    """Every trace that a device's document names and an energy came of."""
    found = []
    for device in evidence.devices:
        for measurement in device.measurements:
            energy = measurement.energy
            if device.emulated or energy is None or energy.trace is None or energy.reason is not None:
                continue
            from edgeproof.meters.traces import read_trace  # numpy, of which a report without power has no need

            try:
                trace = read_trace(run.path(energy.trace))
            except (DocumentError, RunFolderError):
                continue
            found.append(thinned(trace, device.device, measurement, energy))
    return tuple(found)


def thinned(trace: Trace, device: str, measurement: DeviceMeasurement, energy: Energy) -> PowerSeen:
    """A trace in four hundred bins at most, each with a sample in it; seconds count from the trace's begin."""
    import numpy as np

    begin, end = int(trace.unix_ns[0]), int(trace.unix_ns[-1])
    shift = round((energy.clock.offset_ms if energy.clock is not None else 0.0) * 1e6)
    count = min(BINS, len(trace.unix_ns))
    of = np.minimum((trace.unix_ns - begin) * count // max(end - begin, 1), count - 1)
    first = np.flatnonzero(np.diff(of, prepend=-1))
    milliwatts = trace.watts * 1e3
    sizes = np.diff(first, append=len(of))

    def seconds(unix_ns: int) -> float:
        return (unix_ns - shift - begin) / 1e9

    at = np.add.reduceat((trace.unix_ns - begin) / 1e9, first) / sizes
    idle = energy.idle
    return PowerSeen(
        candidate=measurement.candidate,
        device=device,
        source=energy.source,
        seconds=tuple(at.tolist()),
        mean_mw=tuple((np.add.reduceat(milliwatts, first) / sizes).tolist()),
        low_mw=tuple(np.minimum.reduceat(milliwatts, first).tolist()),
        high_mw=tuple(np.maximum.reduceat(milliwatts, first).tolist()),
        held=tuple((seconds(held.begin_unix_ns), seconds(held.end_unix_ns)) for held in measurement.held),
        idle=None if idle is None else (seconds(idle.begin_unix_ns), seconds(idle.end_unix_ns)),
    )
