"""A meter recorded into a trace, and what is attached: what the command line does without a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgeproof.documents.base import Value
from edgeproof.documents.power import PowerTrace
from edgeproof.meters.base import Found, How
from edgeproof.meters.recording import record, save
from edgeproof.meters.registry import broken_meters, find_meters, meters, open_meter

__all__ = ["KnownMeter", "Listed", "list_meters", "record_power"]


class KnownMeter(Value, frozen=True, kw_only=True):
    """A meter that this program knows, attached or not."""

    name: str
    title: str
    reads: str
    resolution: str
    omits: str
    on_board: bool
    estimate: str | None
    requires: tuple[str, ...]


class Listed(Value, frozen=True, kw_only=True):
    """What is here, what is known, and what is registered and cannot be loaded."""

    attached: tuple[Found, ...]
    known: tuple[KnownMeter, ...]
    broken: dict[str, str]


def list_meters() -> Listed:
    """The meters attached to this machine or part of it, and those that are known."""
    known = tuple(
        KnownMeter(
            name=about.name,
            title=about.title,
            reads=about.reads,
            resolution=about.resolution,
            omits=about.omits,
            on_board=about.on_board,
            estimate=about.estimate,
            requires=about.requires,
        )
        for about in (meter.about for meter in meters().values())
    )
    return Listed(attached=tuple(find_meters()), known=known, broken=dict(broken_meters()))


def record_power(
    address: str,
    out: str | Path,
    *,
    seconds: float | None = None,
    how: How | None = None,
    report: Callable[[str], None] = lambda _line: None,
) -> PowerTrace:
    """Record a meter into a trace: ``out``, a JSON file, and the samples beside it.

    Args:
        address: of the meter, such as ``ppk2:/dev/ttyACM0``.
        out: the trace's file.
        seconds: how long; None: until interrupted.
        how: how to open it.
        report: takes a line of progress.

    Raises:
        UsageError: there is no such meter. MissingDependency: its package is not installed.
        MeterError: it is not there, or gave no reading.
        KeyboardInterrupt: it was interrupted before its time; what was recorded is written by then, and says so.
    """
    meter, reader = open_meter(address, how or How())
    with reader:
        report(f"{reader.source}, {reader.rate_hz:g} readings a second")
        seen = record(reader, seconds, report)
    trace = save(Path(out), seen, reader, meter.about, address)
    for fault in trace.faults[:5]:
        report(f"warning: {fault.kind}: {fault.text}")
    if trace.partial is not None:
        report(f"warning: {out} is partial: {trace.partial}")
    if seen.stopped is not None:
        raise seen.stopped
    return trace
