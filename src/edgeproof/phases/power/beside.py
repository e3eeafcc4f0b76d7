"""A meter recorded beside the measurement, and joined to every candidate that held a load meanwhile."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from edgeproof.documents.device import DeviceDocument
from edgeproof.errors import UsageError
from edgeproof.meters.base import How
from edgeproof.meters.recording import Recording, record, save
from edgeproof.meters.registry import open_meter
from edgeproof.meters.traces import Trace, read_trace
from edgeproof.phases.power.joining import Joined, TraceGiven, join
from edgeproof.rundir import RunDir
from edgeproof.scratch import scratch_folder

__all__ = ["Metering", "metered"]

AFTER_S = 1.0
"""The meter goes on for so long after the last load: its end has to lie in the trace."""


class Metering:
    """A meter that records until its block ends; then ``trace`` is there."""

    def __init__(self) -> None:
        self.trace: Trace | None = None

    def join(
        self, run: RunDir, documents: Sequence[DeviceDocument], *, idle_s: float | None, report: Callable[[str], None]
    ) -> list[Joined]:
        """Join the trace to every device that was measured meanwhile, in a run that is held; refusals are reported.

        Args:
            run: the run.
            documents: of the devices.
            idle_s: seconds at the beginning in which nothing ran.
            report: takes a line.
        """
        found: list[Joined] = []
        if self.trace is None:
            return found
        for document in documents:
            if document.emulated:
                continue
            try:
                _, joined = join(run, self.trace, device=document.device, given=TraceGiven(idle_s=idle_s))
            except UsageError as error:
                report(f"warning: {document.device}: {error.message}")
                continue
            for one in joined:
                if one.energy.reason is not None:
                    report(f"warning: {document.device}: {one.candidate}: no energy: {one.energy.reason}")
            found += joined
        return found


@contextlib.contextmanager
def metered(
    address: str, *, how: How | None = None, idle_s: float | None = None, report: Callable[[str], None]
) -> Iterator[Metering]:
    """Record a meter while the block runs; first, for ``idle_s`` seconds, while nothing does.

    Args:
        address: of the meter.
        how: how to open it.
        idle_s: seconds of idle time that are recorded before the block; None: none.
        report: takes a line.

    Raises:
        UsageError: there is no such meter. MeterError: it cannot be read, or gave nothing.
        MissingDependency: its package is not installed.
    """
    meter, reader = open_meter(address, how or How())
    over, seen, metering = threading.Event(), [], Metering()

    def recorded() -> None:
        seen.append(record(reader, None, over=over.is_set))

    with reader:
        report(f"{reader.source}, {reader.rate_hz:g} readings a second")
        recording = threading.Thread(target=recorded, name="meter", daemon=True)
        recording.start()
        try:
            if idle_s is not None:
                report(f"idle power: nothing runs for {idle_s:g} s")
                time.sleep(idle_s)
            yield metering
            time.sleep(AFTER_S)
        finally:
            over.set()
            recording.join()
    _say(seen[0], report)
    with scratch_folder("meter") as folder:
        save(folder / "trace.json", seen[0], reader, meter.about, address)
        metering.trace = read_trace(folder / "trace.json")


def _say(seen: Recording, report: Callable[[str], None]) -> None:
    for fault in seen.faults[:5]:
        report(f"warning: {fault.kind}: {fault.text}")
    if seen.partial is not None:
        report(f"warning: the meter's trace ends early: {seen.partial}")
