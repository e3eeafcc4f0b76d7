"""One phone, its retries and its connections, against a server that fails to order."""

from __future__ import annotations

import threading

import pytest
from tests.doubles.http_model import Faults, http_model

from edgeproof.client.connection import Connection
from edgeproof.client.drive import Drive
from edgeproof.client.phone import Phone
from edgeproof.client.simulator import drive
from edgeproof.client.target import target_of
from edgeproof.errors import ServingError, UsageError


@pytest.mark.parametrize("codec", ["json", "binary"])
def test_both_codecs_are_answered(codec: str) -> None:
    with http_model(Faults()) as url:
        report = drive(url, Drive(requests=20, warmup=1, codec=codec))  # type: ignore[arg-type]
    assert (len(report.latency_us), report.errors, report.load.codec) == (20, 0, codec)
    assert len(report.inference_us) == 20
    assert report.sent_bytes > 20 * report.body_bytes
    assert report.received_bytes > 20 * 100


def test_binary_is_not_sent_to_a_server_that_does_not_announce_it() -> None:
    with http_model(Faults(extensions=())) as url, pytest.raises(UsageError, match="it announces none"):
        drive(url, Drive(requests=2, codec="binary"))


def test_a_busy_server_is_an_error_and_with_retries_only_late() -> None:
    with http_model(Faults(busy_every=4)) as url:
        once = drive(url, Drive(requests=30, warmup=0))
        again = drive(url, Drive(requests=30, warmup=0, retries=2))
    assert once.errors + len(once.latency_us) == once.requests == 30
    assert once.errors in (7, 8)
    assert once.first_error == "HTTP 503: busy"
    assert (again.errors, len(again.latency_us)) == (0, 30)
    assert 7 <= again.retries <= 12


def test_a_lost_connection_is_opened_again() -> None:
    faults = Faults(drop_every=5)
    with http_model(faults) as url:
        lost = drive(url, Drive(requests=20, warmup=0))
        kept = drive(url, Drive(requests=20, warmup=0, retries=1))
    assert lost.errors == 4
    assert "closed the connection" in (lost.first_error or "")
    assert lost.connections == 1 + 4
    assert (kept.errors, kept.connections - 1) == (0, kept.retries)


def test_a_connection_a_request() -> None:
    faults = Faults()
    with http_model(faults) as url:
        report = drive(url, Drive(requests=12, warmup=0, reuse=False))
        assert faults.connections == 1 + 1 + 12  # what is served there, the first request, and the measured ones
    assert (report.errors, report.connections, report.load.connections) == (0, 12, "one a request")


def test_the_first_request_is_a_figure_of_its_own() -> None:
    with http_model(Faults(stall_every=1_000_000)) as url:
        report = drive(url, Drive(requests=5, warmup=0))
    assert len(report.first_us) == 1
    assert report.first_us[0] > 0
    assert len(report.latency_us) == 5


def test_a_request_that_is_hung_up_counts_as_none() -> None:
    with http_model(Faults(delay_s=5)) as url:
        with Connection(url) as asking:
            target = target_of(asking, None, None, "json")
        with Connection(url) as line:
            phone = Phone(line)
            threading.Timer(0.2, phone.hang_up).start()
            assert phone.call(target.requests[0]) is False
    assert (phone.errors, phone.first_error) == (0, None)


def test_nobody_there_any_more_is_raised() -> None:
    class Gone:
        def send(self, request: bytes) -> None:
            raise ServingError("lost")

        def connect(self) -> None: ...

        def shut(self) -> None: ...

    phone = Phone(Gone())  # type: ignore[arg-type]
    assert [phone.call(b"") for _ in range(99)] == [False] * 99
    with pytest.raises(ServingError, match="100 requests in a row found no answer: lost"):
        phone.call(b"")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rate_per_s": 5.0, "think_s": 0.1}, "exclude each other"),
        ({"poisson_seed": 1}, "needs a rate"),
        ({"retries": -1}, "0 or more retries"),
        ({"answers": 0}, "at least 1"),
        ({"seconds": 0.0}, "at least 1"),
    ],
)
def test_what_cannot_be_asked_for(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Drive(**wrong).check()  # type: ignore[arg-type]
