"""Networks held against their own profiles, by measuring through them: in user space, by the kernel where it can."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from tests.doubles.http_model import model_process

from edgeproof.client.connection import Connection
from edgeproof.client.drive import Drive
from edgeproof.client.fleet import Way, drive_fleet
from edgeproof.client.network import PROFILES
from edgeproof.client.shaping.link import NETEM, USER_SPACE, _held, _probed, is_shaped, shaped
from edgeproof.client.shaping.namespace import NEW_NETWORK, NEW_USER
from edgeproof.client.shaping.netem import SERVER, netem_words, refusal
from edgeproof.client.shaping.probe import Echo
from edgeproof.documents.load import NetworkProfile

REQUIRED = "EDGEPROOF_NETEM"
"""Set where the kernel has to shape, so that a refusal of its fails instead of being skipped."""
NO_NETEM = None if REQUIRED in os.environ else refusal()
DATAGRAMS = f"""
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
    for _ in range(4000):
        line.sendto(bytes(500), ("{SERVER}", 9))
"""
NO_NAMESPACES = (
    "network namespaces are Linux's"
    if sys.platform != "linux"
    else None
    if subprocess.run(["unshare", "-Urn", "true"], check=False, capture_output=True).returncode == 0
    else "no user namespaces for this user"
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with model_process() as url:
        yield url


@pytest.mark.parametrize("name", ["4g", "ethernet"])
def test_user_space_is_held_against_its_profile(name: str, url: str) -> None:
    profile = PROFILES[name]
    why = "the test asks for user space"
    with shaped(profile, Connection(url).server, 2, refused=lambda _phones: why) as made:
        shaping = made.shaping
        assert (shaping.how, shaping.why) == (USER_SPACE, why)
        median = shaping.round_trip_median_ms
        assert median is not None
        assert 2 * profile.delay_ms - 1.5 * profile.jitter_ms <= median
        assert median <= 2 * profile.delay_ms + 1.5 * profile.jitter_ms + 2.0
        assert len(shaping.round_trips_ms) == 40
        for measured, wanted in (
            (shaping.up_mbit_per_s, profile.up_mbit_per_s),
            (shaping.down_mbit_per_s, profile.down_mbit_per_s),
        ):
            assert measured is not None
            assert wanted is not None
            assert measured == pytest.approx(wanted, rel=0.35), "losses stop a stream for a while"
        kept = drive_fleet(url, Drive(requests=40, warmup=1), 2, made.way)
        anew = drive_fleet(url, Drive(requests=40, warmup=1, reuse=False), 2, made.way)
    for report, trips in ((kept, 1), (anew, 2)):
        middle = sorted(report.latency_us)[20] / 1000
        assert report.errors == 0
        assert middle == pytest.approx(trips * 2 * profile.delay_ms, rel=0.35, abs=6.0)


@pytest.mark.skipif(NO_NETEM is not None, reason=f"tc netem: {NO_NETEM}")
class TestNetem:
    """The kernel's own; losses apart, since TCP makes of them what it will."""

    def test_netem_is_held_against_a_delay_and_rates(self, url: str) -> None:
        profile = msgspec.structs.replace(PROFILES["4g"], jitter_ms=0.0, loss=0.0)
        with shaped(profile, Connection(url).server, 1) as made:
            shaping = made.shaping
        assert (shaping.how, shaping.why) == (NETEM, None)
        assert min(shaping.round_trips_ms) > 2 * profile.delay_ms
        assert shaping.round_trip_median_ms == pytest.approx(2 * profile.delay_ms + 1.0, abs=1.0)
        measured = (shaping.up_mbit_per_s, shaping.down_mbit_per_s)
        for rate, wanted in zip(measured, (profile.up_mbit_per_s, profile.down_mbit_per_s), strict=True):
            assert rate is not None
            assert wanted is not None
            assert 0.75 * wanted < rate < 1448 / 1514 * wanted * 1.02, "slow start at first; headers are packets' too"

    def test_phones_over_netem_wait_for_round_trips(self, url: str) -> None:
        profile = msgspec.structs.replace(PROFILES["4g"], loss=0.0)
        round_trip = 2 * profile.delay_ms
        with shaped(profile, Connection(url).server, 2) as made:
            kept = drive_fleet(url, Drive(requests=40, warmup=1), 2, made.way)
            anew = drive_fleet(url, Drive(requests=40, warmup=1, reuse=False), 2, made.way)
        assert made.shaping.how == NETEM
        assert made.shaping.round_trip_median_ms == pytest.approx(round_trip, abs=1.5 * profile.jitter_ms)
        for report, trips in ((kept, 1), (anew, 2)):
            middle = sorted(report.latency_us)[20] / 1000
            assert report.errors == 0
            assert middle > trips * round_trip - profile.jitter_ms
            assert middle == pytest.approx(trips * round_trip, rel=0.35)

    def test_netem_delays_and_loses_packets_and_not_what_tcp_hands_over(self, url: str) -> None:
        rates = {"up_mbit_per_s": 20.0, "down_mbit_per_s": 20.0}
        profile = NetworkProfile(name="test", source="tests", delay_ms=5, jitter_ms=1, loss=0.05, **rates)
        with shaped(profile, Connection(url).server, 1) as made:
            (phone,) = made.way.namespaces
            bulk = counted(phone)
            in_network(phone, sys.executable, "-c", DATAGRAMS)
            all_of_it = counted(phone)
        assert bulk["bytes"] > 20e6 / 8 * 0.4, "the probe's own"
        assert bulk["bytes"] <= 1514 * bulk["packets"], "Ethernet frames, and not 64 KiB to be cut later"
        lost = all_of_it["drops"] - bulk["drops"]
        handed = sum(all_of_it[kind] - bulk[kind] for kind in ("packets", "qlen", "drops"))
        assert handed == pytest.approx(4000, abs=20), "what is not there of ours or of ARP's"
        assert lost == pytest.approx(200, abs=60), "four deviations of a binomial distribution"
        assert bulk["drops"] > 0


def in_network(phone: int, *words: str) -> bytes:
    """What a program says that runs where a phone is."""
    enter = ["nsenter", "--target", str(phone), "--user", "--net", "--preserve-credentials"]
    return subprocess.run([*enter, *words], check=True, capture_output=True).stdout


def counted(phone: int) -> dict[str, int]:
    """What the kernel has counted of the packets that a phone sent."""
    (qdisc,) = json.loads(in_network(phone, "tc", "-s", "-j", "qdisc", "show", "dev", "near1"))
    assert qdisc["kind"] == "netem"
    return dict(qdisc)


def test_nothing_between_is_nothing_made(url: str) -> None:
    assert not is_shaped(PROFILES["loopback"])
    with shaped(PROFILES["loopback"], Connection(url).server, 2) as made:
        assert (made.way, made.shaping.how) == (Way(), "none")


@pytest.mark.skipif(NO_NAMESPACES is not None, reason=str(NO_NAMESPACES))
def test_phones_in_namespaces_of_their_own_reach_the_server(url: str, tmp_path: Path) -> None:
    """All of the kernel's way but the shaping itself, which ``sch_netem`` does."""
    file = tmp_path / "loopback.json"
    file.write_bytes(msgspec.json.encode(PROFILES["loopback"]))
    host, port = Connection(url).server
    with Echo() as echo, contextlib.ExitStack() as stack:
        made = _held(stack, "netem", "--phones", "3")
        phones = tuple(made["phones"])
        assert len({Path(f"/proc/{pid}/ns/net").readlink() for pid in (*phones, made["far"], os.getpid())}) == 5
        targets = ["--to", f"{host}:{port}", "--to", f"127.0.0.1:{echo.port}"]
        words = ["--profile", str(file), *targets, "--listen", SERVER, "--namespace", str(made["far"])]
        way_in, echoed = _held(stack, "relay", *words)["ports"]
        assert _probed(SERVER, echoed, PROFILES["loopback"], phones[:1]).down_mbit_per_s > 10
        report = drive_fleet(url, Drive(requests=30, warmup=1), 3, Way((SERVER, way_in), phones))
    assert (len(report.latency_us), report.errors, report.phone_counts) == (30, 0, (10, 10, 10))
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in phones if psutil.pid_exists(pid)], timeout=5)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_the_words_of_tc() -> None:
    words = "netem limit 10000 delay 10.5ms 4ms distribution normal loss random 0.1% rate 7.6mbit"
    profile = PROFILES["4g"]
    assert netem_words(profile, profile.up_mbit_per_s) == words.split()
    assert netem_words(PROFILES["loopback"], None) == ["netem", "limit", "10000", "delay", "0ms"]
    assert (NEW_USER | NEW_NETWORK) == 0x50000000


def test_a_refusal_is_put_into_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "not found" in (refusal() or "")
