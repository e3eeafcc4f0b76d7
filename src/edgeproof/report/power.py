"""What a call costs in energy: a row for each candidate and device that a meter's trace was joined to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from edgeproof.documents.power import Energy
from edgeproof.report.columns import Field, figured, named, table_of, worded
from edgeproof.report.content import Table
from edgeproof.report.quantities import significant
from edgeproof.verdict.cases import Case
from edgeproof.verdict.figures import told

__all__ = ["table"]

CAPTION = (
    "Energy per inference, from the power and the calls of the same held load: gross, idle power included; then less "
    "idle power, where it was recorded."
)


class Metered(NamedTuple):
    """A candidate on one device, and what a meter made of it."""

    candidate: str
    device: str
    energy: Energy


def reason(metered: Metered) -> str:
    return metered.energy.reason or "it was not recorded"


def no_net(metered: Metered) -> str:
    return metered.energy.reason or metered.energy.no_net or "it was not recorded"


def energy(title: str, unit: str, path: str, absent: Callable[[Metered], str] = reason) -> Field[Metered]:
    return figured(title, unit, told(f"energy.{path}"), significant, absent)


def way(metered: Metered) -> str:
    """What was read, whether it is an estimate, and what is not in it."""
    source = f"estimate: {metered.energy.source}" if metered.energy.estimate else metered.energy.source
    return f"{source}; without {metered.energy.omits}" if metered.energy.omits else source


FIELDS: tuple[Field[Metered], ...] = (
    named("Candidate", told("candidate")),
    worded("Device", told("device")),
    energy("Gross", "mJ", "gross_mj"),
    energy("From", "mJ", "low_mj"),
    energy("To", "mJ, 95 %", "high_mj"),
    energy("Less idle", "mJ", "net_mj", no_net),
    energy("Mean power", "mW", "mean_mw"),
    energy("Idle power", "mW", "idle.mean_mw", no_net),
    figured("Calls", "count", lambda metered: metered.energy.calls or None, "{:,.0f}".format, reason),
    figured("Held", "s", lambda metered: metered.energy.seconds or None, significant, reason),
    worded("Meter", way),
)


def table(cases: Iterable[Case]) -> Table | None:
    """Every energy that a trace was joined for, the refused ones with their reasons; None without any."""
    found = [
        Metered(case.candidate, measured.device.device, measured.found.energy)
        for case in cases
        for measured in case.measured
        if measured.found.energy is not None
    ]
    return table_of("energy", CAPTION, FIELDS, found) if found else None
