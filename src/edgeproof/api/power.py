"""Power: what meters are there, a meter recorded, and a trace joined to a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edgeproof.documents.power import PowerTrace
from edgeproof.phases.power.joining import Joined, TraceGiven, join_trace
from edgeproof.phases.power.recorded import Listed, list_meters, record_power

__all__ = ["power_import", "power_list", "power_record"]


def power_list() -> Listed:
    """The meters attached to this machine or part of it, and those that are known."""
    return list_meters()


def power_record(
    meter: str,
    out: str | Path,
    *,
    seconds: float | None = None,
    supply_volts: float | None = None,
    rate_hz: float | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> PowerTrace:
    """Record a meter into a trace: a JSON file, and its samples beside it.

    Args:
        meter: its address, such as ``rapl`` or ``ppk2:/dev/ttyACM0``.
        out: the trace's file.
        seconds: how long; None: until interrupted.
        supply_volts: where a meter tells current alone.
        rate_hz: readings a second; None: as the meter says.
        progress: takes a line.

    Raises:
        UsageError: there is no such meter. MissingDependency: its package is not installed.
        MeterError: it is not there, or gave no reading.
        KeyboardInterrupt: it was interrupted before its time; what was recorded is written by then.
    """
    from edgeproof.meters.base import How

    how = How(volts=supply_volts, rate_hz=rate_hz)
    return record_power(meter, out, seconds=seconds, how=how, report=progress)


def power_import(
    folder: str | Path,
    file: str | Path,
    *,
    candidates: Sequence[str] = (),
    device: str | None = None,
    given: TraceGiven | None = None,
) -> tuple[PowerTrace, list[Joined]]:
    """Join a trace, or a table that a meter's own program exported, to what a run's device measured.

    Args:
        folder: the run.
        file: the trace or table.
        candidates: which ran meanwhile; empty: those whose held load lies in the trace's time.
        device: its address; None: the only one that measured them.
        given: columns, clocks and idle time of the file.

    Returns:
        the trace as it stands in the run, and for each candidate the energy of a call, or the reason why there is
        none; it stands in the device's document either way.

    Raises:
        RunFolderError: it is no run folder. UsageError: no such measurement, or no such column.
        DocumentError: the file has no trace in it.
    """
    return join_trace(Path(folder), Path(file), candidates=candidates, device=device, given=given or TraceGiven())
