"""The table of a served model over networks, and its notes."""

from __future__ import annotations

import msgspec

from edgeproof.client.network import PROFILES
from edgeproof.documents.latency import Capacity, OverNetwork, ProcessUse
from edgeproof.documents.load import Load, Shaping
from edgeproof.report import networks


def over(build, name: str, median: float) -> OverNetwork:
    made = Shaping(
        how="user space",
        why="no netem",
        round_trips_ms=(3.1,),
        round_trip_median_ms=3.1,
        up_mbit_per_s=49.5,
        down_mbit_per_s=98.0,
    )
    return OverNetwork(
        profile=PROFILES[name],
        shaping=made if name != "loopback" else Shaping(how="none", why=None),
        load=Load(),
        requests=100,
        errors=1,
        retries=0,
        sent_bytes=1,
        received_bytes=1,
        connections=1,
        first_request=None,
        steady=build.steady(median, count=40),
        server=ProcessUse(cpu_percent=None, peak_memory_bytes=None),
    )


def test_each_network_is_a_row_with_what_it_measured(build) -> None:
    latency = build.latency()
    driven = (over(build, "loopback", 900.0), over(build, "wifi", 4200.0))
    served = (msgspec.structs.replace(latency.served[0], networks=driven), *latency.served[1:])
    table = networks.table(msgspec.structs.replace(latency, served=served))
    assert table is not None
    assert [[cell.text for cell in row][:3] for row in table.rows] == [
        ["sdk-eager", "loopback", "0.900"],
        ["sdk-eager", "wifi", "4.20"],
    ]
    assert [cell.text for cell in table.rows[1]][-3:] == ["3.10", "49.5", "98.0"]
    assert "user space" in table.caption
    assert networks.NOT_SHAPED in table.notes


def test_without_networks_there_is_no_table(build) -> None:
    assert networks.table(build.latency()) is None
    assert networks.table(None) is None
    assert networks.capacity_notes(build.latency()) == ()


def test_capacity_and_fewer_cold_starts_are_notes(build) -> None:
    latency = build.latency()
    found = Capacity(
        percentile="p99", bound_us=20_000, rate_per_s=212.5, fails_at_per_s=225, tolerance=0.1, steps=(), phones=4
    )
    served = msgspec.structs.replace(
        latency.served[0], capacity=found, cold_starts_note="3 of 5", partial="it was interrupted"
    )
    none = msgspec.structs.replace(
        latency.served[1], capacity=msgspec.structs.replace(found, rate_per_s=None, reason="too slow")
    )
    notes = networks.capacity_notes(msgspec.structs.replace(latency, served=(served, none)))
    assert notes == (
        "sdk-eager: p99 ≤ 20 ms holds up to 212.5 requests/s of 4 phones, Poisson.",
        "sdk-eager: cold starts 3 of 5.",
        "sdk-eager: partial, it was interrupted.",
        "sdk-native: p99 ≤ 20 ms holds at no rate that was tried of 4 phones, Poisson (too slow).",
    )
