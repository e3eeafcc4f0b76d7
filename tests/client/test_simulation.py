"""Whole simulations: several networks in one document, raw values beside, and what is kept of an interrupted one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.doubles.http_model import Faults, http_model, model_process

from edgeproof.client.capacity import bound_of
from edgeproof.client.drive import Drive
from edgeproof.client.report import ClientReport
from edgeproof.client.simulation import Simulation, simulate
from edgeproof.client.summary import as_before, transport_of
from edgeproof.documents.base import decode, encode, read_document
from edgeproof.documents.latency import LatencySummary
from edgeproof.documents.load import Load
from edgeproof.errors import UsageError


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with model_process() as url:
        yield url


def test_networks_stand_side_by_side_with_what_they_measure(url: str, tmp_path: Path) -> None:
    raw, lines = tmp_path / "raw" / "phones.json", list[str]()
    what = Simulation(Drive(requests=72, warmup=1), phones=2, networks=("loopback", "wifi"), raw=raw)
    summary = simulate(url, what, report=lines.append)
    served = summary.served[0]
    assert [network.profile.name for network in served.networks] == ["loopback", "wifi"]
    plain, wifi = served.networks
    assert plain.steady is not None
    assert wifi.steady is not None
    assert served.steady == plain.steady
    assert plain.shaping.how == "none"
    assert wifi.shaping.round_trip_median_ms == pytest.approx(3, abs=2.5)
    assert wifi.steady.median_us > 1000 > 0
    assert wifi.steady.p90.value_us is not None
    assert wifi.steady.p99.value_us is None
    assert wifi.first_request is not None
    assert wifi.first_request.count == 2
    assert (wifi.errors, wifi.retries, wifi.connections) == (0, 0, 2)
    assert wifi.sent_bytes == plain.sent_bytes > 0
    for network, file in ((plain, raw), (wifi, raw.with_name("phones-wifi.json"))):
        assert network.steady is not None
        assert network.steady.raw == str(file)
        assert len(read_document(file, ClientReport).latency_us) == network.steady.count == 72
    assert any("wifi" in line and "round trip" in line for line in lines)
    assert decode(encode(summary), LatencySummary) == summary


def test_capacity_stands_with_each_network(url: str) -> None:
    what = Simulation(Drive(requests=60, warmup=1), bound=bound_of("p50=50ms"), tolerance=0.5, step_limit_s=0.2)
    served = simulate(url, what).served[0]
    assert served.networks == ()
    assert served.capacity is not None
    assert served.capacity.steps
    assert (served.capacity.percentile, served.capacity.bound_us) == ("p50", 5e4)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_simulation_keeps_the_networks_that_were_driven(tmp_path: Path) -> None:
    kept: list[LatencySummary] = []
    with http_model(Faults()) as url:

        def watch(line: str) -> None:
            if line.startswith("4g: 1 phone"):
                threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()

        what = Simulation(Drive(requests=60, warmup=1), networks=("loopback", "4g"), raw=tmp_path / "r.json")
        slow = Simulation(Drive(requests=60, warmup=1, think_s=0.1), networks=what.networks, raw=what.raw)
        with pytest.raises(KeyboardInterrupt):
            simulate(url, slow, report=watch, kept=kept.append)
    served = kept[0].served[0]
    assert served.partial == "it was interrupted"
    assert served.steady.count == 60
    assert served.networks[0].partial is None
    for network in served.networks[1:]:
        assert network.partial == "it was interrupted"
        assert 0 < network.requests < 60


def test_a_network_that_is_not_known_or_asked_for_twice(url: str) -> None:
    for networks in (("6g",), ("wifi", "wifi")):
        with pytest.raises(UsageError):
            simulate(url, Simulation(networks=networks))


def test_figures_as_before_are_plain_and_say_so() -> None:
    figures = as_before([4593.0], [1000.0] * 200, cold_start_included=True)
    assert figures is not None
    assert (figures.requests, figures.p50_ms, figures.p95_ms) == (100, 1.0, 1.0)
    assert figures.mean_ms == pytest.approx(46.92)
    assert "cold start is the first" in figures.note
    warm = as_before([], [1000.0, 3000.0], cold_start_included=False)
    assert warm is not None
    assert (warm.requests, warm.p50_ms) == (2, 2.0)
    assert as_before([1.0], [], cold_start_included=True) is None


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (Load(), "HTTP/1.1 over one keep-alive TCP connection, closed loop"),
        (Load(connections="one a request", pace_s=2), "HTTP/1.1 over a TCP connection a request, a request every 2 s"),
        (
            Load(phones=6, processes=2, arrivals="poisson", rate_per_s=5),
            "HTTP/1.1 over a keep-alive TCP connection a phone, 6 phones in 2 processes, a Poisson process of 5 "
            "requests/s, from the intended send time",
        ),
        (Load(think_s=0.5), "HTTP/1.1 over one keep-alive TCP connection, 0.5 s after each answer"),
    ],
)
def test_how_it_was_driven_in_words(load: Load, words: str) -> None:
    assert transport_of(load, "http://h:1") == words
