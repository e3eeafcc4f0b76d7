"""The network in user space: when chunks arrive, and that a stream comes through it whole."""

from __future__ import annotations

import contextlib
import random
import socket
import statistics
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edgeproof.client.network import PROFILES, profile_of
from edgeproof.client.shaping.link import _held
from edgeproof.client.shaping.relay import RETRANSMISSION_S, Direction
from edgeproof.documents.load import NetworkProfile
from edgeproof.errors import UsageError


def network(**numbers: float | None) -> NetworkProfile:
    known: dict[str, float | None] = {"delay_ms": 0, "jitter_ms": 0, "loss": 0}
    rates = {"up_mbit_per_s": None, "down_mbit_per_s": None}
    return NetworkProfile(name="test", source="the tests", **(known | rates | numbers))  # type: ignore[arg-type]


def direction(profile: NetworkProfile, rate: float | None = None, seed: int = 0) -> Direction:
    return Direction(profile, rate, random.Random(seed), -3600.0)


def test_a_rate_spreads_chunks_and_a_delay_moves_them() -> None:
    way = direction(network(delay_ms=10), 8.0)  # a byte a microsecond
    assert [way.due_s(0.0, 1000) for _ in range(3)] == pytest.approx([0.011, 0.012, 0.013])
    assert way.due_s(1.0, 1000) == pytest.approx(1.011)


def test_the_first_bytes_of_a_connection_wait_for_its_handshake() -> None:
    way = Direction(network(delay_ms=10), None, random.Random(0), 5.0)
    assert way.due_s(5.0, 1) == pytest.approx(5.030)
    assert way.due_s(6.0, 1) == pytest.approx(6.010)


def test_jitter_has_its_deviation_and_never_turns_the_order() -> None:
    far_apart = direction(network(delay_ms=20, jitter_ms=3))
    delays = [1e3 * (far_apart.due_s(index, 1) - index) for index in range(4000)]
    assert statistics.fmean(delays) == pytest.approx(20, abs=0.3)
    assert statistics.stdev(delays) == pytest.approx(3, rel=0.1)
    close = direction(network(delay_ms=20, jitter_ms=15))
    due = [close.due_s(index / 1000, 1) for index in range(2000)]
    assert due == sorted(due)


def test_a_lost_packet_costs_its_retransmission() -> None:
    way = direction(network(delay_ms=10, loss=0.02))
    costs = [way.due_s(10.0 * index, 1000) - 10.0 * index - 0.01 for index in range(5000)]
    lost = [cost for cost in costs if cost > 0.001]
    assert len(lost) / len(costs) == pytest.approx(0.02, abs=0.006)
    assert min(lost) == pytest.approx(RETRANSMISSION_S + 0.02)
    long = direction(network(delay_ms=10, loss=0.02))
    fast = [long.due_s(10.0 * index, 10 * 1448) - 10.0 * index - 0.01 for index in range(2000)]
    assert min(cost for cost in fast if cost > 0.001) == pytest.approx(0.02), "others follow it: sent again at once"


@contextlib.contextmanager
def relayed(profile: NetworkProfile, target: int, folder: Path) -> Iterator[int]:
    file = folder / "profile.json"
    file.write_bytes(msgspec.json.encode(profile))
    with contextlib.ExitStack() as stack:
        yield _held(stack, "relay", "--profile", str(file), "--to", f"127.0.0.1:{target}")["ports"][0]


def test_bytes_come_through_whole_both_ways_and_ends_too(tmp_path: Path) -> None:
    sent = random.Random(1).randbytes(3_000_000)

    def echo(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            parts = b"".join(iter(lambda: client.recv(1 << 16), b""))  # until the other side's end
            client.sendall(parts[::-1])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=echo, args=(listener,), daemon=True).start()
        profile = network(delay_ms=2, jitter_ms=2, loss=0.001, up_mbit_per_s=200, down_mbit_per_s=400)
        with (
            relayed(profile, listener.getsockname()[1], tmp_path) as port,
            socket.create_connection(("127.0.0.1", port), 20) as line,
        ):
            line.sendall(sent)
            line.shutdown(socket.SHUT_WR)
            assert b"".join(iter(lambda: line.recv(1 << 16), b"")) == sent[::-1]


def test_nobody_behind_it_is_a_connection_that_is_lost(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    with (
        relayed(network(), free, tmp_path) as port,
        socket.create_connection(("127.0.0.1", port), 5) as line,
        contextlib.suppress(ConnectionError),
    ):
        assert line.recv(1) == b""


def test_every_profile_says_where_it_is_from() -> None:
    assert list(PROFILES) == ["loopback", "ethernet", "wifi", "4g", "5g", "congested-wifi"]
    for profile in PROFILES.values():
        assert len(profile.source) > 30
        assert profile.delay_ms >= profile.jitter_ms
        assert 0 <= profile.loss < 0.1
    with pytest.raises(UsageError, match="'6g'"):
        profile_of("6g")
