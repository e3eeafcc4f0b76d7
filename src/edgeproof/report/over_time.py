"""What was measured over time: at a pace, under load for minutes, with the sensors beside it, and for hours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from edgeproof.documents.evaluation import Evidence
from edgeproof.documents.heat import Heat
from edgeproof.documents.held import Held, Paced
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.soak import SoakReport, SoakWindow
from edgeproof.documents.sustained import Sustained
from edgeproof.report.columns import Field, figured, named, table_of, worded
from edgeproof.report.content import OverTime, Plot, Table
from edgeproof.report.quantities import significant
from edgeproof.verdict.cases import Case
from edgeproof.verdict.enduring import end_of
from edgeproof.verdict.figures import told
from edgeproof.verdict.paces import pace_words, slower_by
from edgeproof.verdict.soak_findings import Watched
from edgeproof.verdict.soaks import SoakJudgement, judge_soak
from edgeproof.verdict.wording import lasting

__all__ = ["Endured", "section", "soaks_of", "sustained_of"]

HOUR_S = 3600.0
TONES = {"stable": "good", "undecided": "open"}
TELLS_NONE = "the device does not tell it"


class AtPace(NamedTuple):
    """A candidate on a device at a pace."""

    candidate: str
    device: str
    paced: Paced
    ratio: float | None


class Endured(NamedTuple):
    """A candidate under load on a device."""

    candidate: str
    device: str
    sustained: Sustained
    end: SoakWindow | None


class Watch(NamedTuple):
    """A load that was held in one process, and what the sensors saw."""

    candidate: str
    device: str
    process: int
    held: Held | None
    heat: Heat | None


class Soaked(NamedTuple):
    """A soak, and what it is by the policy."""

    soak: SoakReport
    judgement: SoakJudgement


def section(
    cases: Mapping[str, Case], evidence: Evidence, policy: PolicyValue, plots: Sequence[Plot]
) -> OverTime | None:
    """The tables, the words of each soak, and the drawings; None where nothing of it was measured."""
    soaks = soaks_of(evidence, policy)
    tables = (_paces(cases), _sustained(sustained_of(cases, policy)), _watched(cases), _soaks(soaks))
    shown = tuple(table for table in tables if table is not None)
    if not shown:
        return None
    return OverTime(tables=shown, words=tuple(map(_words, soaks)), plots=tuple(plots))


def sustained_of(cases: Mapping[str, Case], policy: PolicyValue) -> list[Endured]:
    """Every candidate that was under load for minutes, device by device."""
    return [
        Endured(case.candidate, device.device, found.sustained, end_of(found.sustained, policy))
        for case in cases.values()
        for device, found in case.measured
        if found.sustained is not None
    ]


def soaks_of(evidence: Evidence, policy: PolicyValue) -> list[Soaked]:
    """Every soak of the run, by the limits of its device class."""
    return [
        Soaked(soak, judge_soak(soak, policy.on(soak.device_class)))
        for soak in evidence.soaks
        if soak.candidate is not None and soak.windows
    ]


def _paces(cases: Mapping[str, Case]) -> Table | None:
    found = [
        AtPace(case.candidate, device.device, paced, slower_by(measured, paced))
        for case in cases.values()
        for device, measured in case.measured
        for paced in measured.paced
    ]
    if not found:
        return None

    def lacking(at: AtPace) -> str:
        return at.paced.reason or "too few calls for it"

    fields: tuple[Field[AtPace], ...] = (
        named("Candidate", told("candidate")),
        worded("Device", told("device")),
        worded("A call every", lambda at: pace_words(at.paced.pace_s)),
        figured("Calls", "count", told("paced.steady.count"), "{:,}".format, lacking),
        figured("Median", "µs", told("paced.steady.median_us"), absent=lacking),
        figured("p90", "µs", told("paced.steady.p90.value_us"), absent=lacking),
        figured("Median over that back to back", "×", told("ratio"), absent=lacking),
    )
    caption = (
        "At a pace, as an app calls: the process sleeps between calls, and a latency counts from its call's beginning. "
        "The policy is about calls back to back."
    )
    return table_of("paces", caption, fields, found)


def _sustained(found: Sequence[Endured]) -> Table | None:
    if not found:
        return None
    fields: tuple[Field[Endured], ...] = (
        named("Candidate", told("candidate")),
        worded("Device", told("device")),
        worded("Under load", lambda row: lasting(row.sustained.seconds / HOUR_S)),
        figured("First median", "µs", lambda row: row.sustained.windows[0].median_us),
        figured(
            "Last median", "µs", told("end.median_us"), absent="the device throttled, and the policy leaves it out"
        ),
        figured("Last p90", "µs", told("end.p90_us"), absent="too few calls in the window, or none that counts"),
        figured("Slower at the end", "%", lambda row: 100 * (row.sustained.slowed - 1)),
        figured("Place at first", "of all", told("sustained.rank_first"), "{:.0f}".format),
        figured("Place at the end", "of all", told("sustained.rank_last"), "{:.0f}".format),
        figured("Began at", "°C", told("sustained.start_temperature_c"), absent=TELLS_NONE),
        figured("Waited", "s", told("sustained.waited_s")),
        figured("Throttled", "windows", _throttled, "{:.0f}".format, TELLS_NONE),
    )
    caption = (
        "Under load for minutes, back to back, each from the temperature that the first began at, where the device "
        "tells one; the verdict rests on the end."
    )
    return table_of("sustained", caption, fields, found)


def _throttled(row: Endured) -> float | None:
    said = [window.throttled for window in row.sustained.windows if window.throttled is not None]
    return float(sum(said)) if said else None


def _watched(cases: Mapping[str, Case]) -> Table | None:
    found = [
        Watch(
            case.candidate,
            device.device,
            number,
            measured.held[number - 1] if number <= len(measured.held) else None,
            measured.heat[number - 1] if number <= len(measured.heat) else None,
        )
        for case in cases.values()
        for device, measured in case.measured
        for number in range(1, max(len(measured.held), len(measured.heat)) + 1)
    ]
    if not found:
        return None
    no_load, blind = "no load was held", "the system shows no sensor"
    fields: tuple[Field[Watch], ...] = (
        named("Candidate", told("candidate")),
        worded("Device", told("device")),
        worded("Process", lambda row: str(row.process)),
        figured("Held", "s", told("held.seconds"), absent=no_load),
        figured("Calls", "count", told("held.calls"), "{:,}".format, no_load),
        figured("Mean", "µs", told("held.mean_us"), absent=no_load),
        figured("Inside of calls", "%", _percent("held.busy_share"), absent=no_load),
        figured("Hottest", "°C", told("heat.hottest_c"), absent=blind),
        figured("Slowest clock", "MHz", told("heat.slowest_mhz"), absent=blind),
        figured("A look at the sensors", "µs", told("heat.cost_us"), absent=blind),
        figured("All looks", "% of the time", _percent("heat.cost_share"), absent=blind),
    )
    caption = "Held loads, and the sensors beside timed stretches: read between calls, at the cost that is told."
    return table_of("held", caption, fields, found)


def _percent(path: str) -> Callable[[Watch], float | None]:
    read = told(path)
    return lambda row: None if (value := read(row)) is None else 100 * value


def _soaks(soaks: Sequence[Soaked]) -> Table | None:
    if not soaks:
        return None
    few = "too few windows for a trend, or the device does not tell it"
    fields: tuple[Field[Soaked], ...] = (
        named("Candidate", told("soak.candidate")),
        worded("Device", told("soak.device")),
        worded("Is", told("judgement.word"), tone=lambda row: TONES.get(row.judgement.word, "bad")),
        worded("Ran", _ran),
        figured("Calls", "count", told("soak.count"), "{:,}".format),
        figured("Failed", "count", told("soak.errors"), "{:,}".format),
        figured("Median at first", "µs", lambda row: row.soak.windows[0].median_us),
        figured("Latency", "% over the soak", _of("latency", "share", 100), _signed, few),
        figured("Memory", "MB per hour", _of("memory", "per_hour", 1e-6), _signed, few),
        figured("Temperature", "°C over the soak", _of("temperature", "change", 1), _signed, few),
        figured("Clock", "% over the soak", _of("clock", "share", 100), _signed, few),
    )
    caption = "Soaks: trends by Theil and Sen's slope over the windows, of memory within each process."
    return table_of("soaks", caption, fields, soaks)


def _ran(row: Soaked) -> str:
    soak = row.soak
    asked = f" of {lasting(soak.asked_seconds / HOUR_S)}, not over" if soak.partial and soak.asked_seconds else ""
    pieces = f" in {len(soak.segments)} pieces" if len(soak.segments) > 1 else ""
    return f"{lasting(soak.seconds / HOUR_S)}{asked}{pieces}"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{significant(value)}"


def _of(name: Watched, figure: str, scale: float) -> Callable[[Soaked], float | None]:
    """A figure of a trend."""

    def read(row: Soaked) -> float | None:
        finding = row.judgement.of(name)
        if finding is None or finding.trend is None:
            return None
        return scale * float(getattr(finding.trend, figure))

    return read


def _words(row: Soaked) -> str:
    """What decides a soak, in a line."""
    decides = row.judgement.beyond or row.judgement.findings
    said = "; ".join(finding.text for finding in decides)
    return f"{row.soak.candidate} on {row.soak.device} is {row.judgement.word}: {said}"
