"""A whole simulation of phones against a running server: over each network its steady state and its capacity, then a
scenario. What is measured is kept when it is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgeproof.client.capacity import Bound, Search, find_capacity
from edgeproof.client.drive import Drive
from edgeproof.client.fleet import drive_fleet
from edgeproof.client.lines import open_line
from edgeproof.client.loadgen import Terms, run_scenario
from edgeproof.client.network import profile_of
from edgeproof.client.report import ClientReport
from edgeproof.client.shaping.link import Link, is_shaped, shaped
from edgeproof.client.simulator import drive
from edgeproof.client.summary import Seen, over_network, summary_of
from edgeproof.documents.base import write_document
from edgeproof.documents.latency import Capacity, LatencySummary
from edgeproof.documents.load import NetworkProfile, Scenario
from edgeproof.errors import UsageError

__all__ = ["Simulation", "simulate"]

LOOPBACK = "loopback"
UNLIMITED = 10**9
Report = Callable[[str], None]
Kept = Callable[[LatencySummary], None]


@dataclass(frozen=True)
class Simulation:
    """What is simulated.

    Attributes:
        how: all phones' requests together.
        phones: how many.
        networks: names of profiles, one after the other; empty: nothing between.
        bound: whose capacity is searched over each network; None: none.
        tolerance: of that search, a share of the rate.
        step_limit_s: seconds of one rate of that search at most.
        terms: of an MLPerf scenario over the first network; None: none.
        raw: file of the first network's values; others, and a scenario's log, go beside it.
    """

    how: Drive = field(default_factory=Drive)
    phones: int = 1
    networks: tuple[str, ...] = ()
    bound: Bound | None = None
    tolerance: float = 0.1
    step_limit_s: float = 60.0
    terms: Terms | None = None
    raw: Path | None = None


def simulate(
    url: str, what: Simulation, *, report: Report = lambda _line: None, kept: Kept | None = None
) -> LatencySummary:
    """Drive a running server.

    Args:
        url: ``http://host:port``.
        what: all of it.
        report: takes a line of progress.
        kept: takes the summary of what was measured when it is interrupted, before the interruption is raised.

    Raises:
        ServingError: not reachable, the model unknown, gone in the middle, or every request failed.
        UsageError: an option is wrong, or the samples do not fit.
        MissingDependency: a scenario was asked for, and the load generator is not installed.
        KeyboardInterrupt: it was interrupted.
    """
    profiles = [profile_of(name) for name in what.networks or (LOOPBACK,)]
    if len({profile.name for profile in profiles}) < len(profiles):
        raise UsageError("a network is asked for twice")
    if what.terms is not None:
        what.terms.check()
    seen = Seen()
    server = open_line(url).server
    try:
        for index, profile in enumerate(profiles):
            with shaped(profile, server, what.phones) as link:
                _told(profile, link, report)
                _over(url, what, profile, link, seen, report)
                report(f"{profile.name} ({index + 1} of {len(profiles)})")
                if index == 0 and what.terms is not None:
                    report(f"{profile.name}: {what.terms.scenario}")
                    seen.scenario = _scenario(url, what, what.terms, link)
    except KeyboardInterrupt:
        seen.partial = "it was interrupted"
        if kept is not None and seen.report is not None:
            kept(summary_of(seen))
        raise
    return summary_of(seen)


def _told(profile: NetworkProfile, link: Link, report: Report) -> None:
    made = link.shaping
    if made.round_trip_median_ms is not None:
        rates = f"{made.up_mbit_per_s:g} up, {made.down_mbit_per_s:g} Mbit/s down"
        report(f"{profile.name}: {made.round_trip_median_ms:g} ms round trip, {rates}")


def _over(url: str, what: Simulation, profile: NetworkProfile, link: Link, seen: Seen, report: Report) -> None:
    """One network, into ``seen``, whatever of it was measured when it is interrupted."""
    first = seen.report is None
    raw = what.raw if what.raw is None or first else _beside(what.raw, profile.name)

    def take(driven: ClientReport, capacity: Capacity | None = None) -> None:
        if raw is not None:
            raw.parent.mkdir(parents=True, exist_ok=True)
            write_document(raw, driven)
        name = "" if raw is None else str(raw)
        if first:
            seen.report, seen.raw, seen.capacity = driven, name, capacity
        if what.networks:
            seen.networks = [known for known in seen.networks if known.profile.name != profile.name]
            seen.networks.append(over_network(profile, link.shaping, driven, raw=name, capacity=capacity))

    report(f"{profile.name}: {what.phones} phone{'s' if what.phones > 1 else ''}")
    if what.phones == 1 and not is_shaped(profile):
        driven = drive(url, what.how, kept=take)
    else:
        driven = drive_fleet(url, what.how, what.phones, link.way, kept=take)
    take(driven)
    if what.bound is not None:
        start = what.how.rate_per_s or max(1.0, 0.5 * len(driven.latency_us) / driven.seconds)

        def trial(rate_per_s: float, seconds: float) -> ClientReport:
            how = replace(
                what.how,
                requests=UNLIMITED,
                answers=None,
                seconds=seconds,
                rate_per_s=rate_per_s,
                poisson_seed=what.how.poisson_seed or 0,
                pace_s=None,
                think_s=None,
            )
            return drive_fleet(url, how, what.phones, link.way)

        search = Search(what.bound, start, what.tolerance, what.step_limit_s)
        take(
            driven,
            find_capacity(
                trial,
                search,
                phones=what.phones,
                report=lambda line: report(f"{profile.name}: {line}"),
                kept=lambda capacity: take(driven, capacity),
            ),
        )


def _scenario(url: str, what: Simulation, terms: Terms, link: Link) -> Scenario:
    log = None if what.raw is None else _beside(what.raw, terms.scenario).with_suffix("")
    return run_scenario(url, what.how, terms, what.phones, log, link.way)


def _beside(raw: Path, name: str) -> Path:
    return raw.with_name(f"{raw.stem}-{name}{raw.suffix}")
