"""Phones over several processes against real servers: what they count, and that they tell the truth about stalls."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.doubles.http_model import Faults, http_model, model_process

from edgeproof.client.crowd import Job, decode_job, encode_job
from edgeproof.client.drive import Drive
from edgeproof.client.fleet import PHONES_A_PROCESS, Way, drive_fleet
from edgeproof.client.report import ClientReport
from edgeproof.errors import SamplesError, ServingError, UsageError
from edgeproof.serve.spawned import SpawnedServer


@pytest.fixture(scope="module")
def served(artifact: Path) -> Iterator[SpawnedServer]:
    with SpawnedServer(artifact, timeout_s=60) as server:
        yield server


def test_each_phone_has_its_share_its_connection_and_its_first_request(served: SpawnedServer) -> None:
    report = drive_fleet(served.ready.url, Drive(requests=60, warmup=2), 6)
    assert report.phone_counts == (10,) * 6
    assert (len(report.latency_us), report.errors, len(report.first_us)) == (60, 0, 6)
    assert (report.connections, report.warmup) == (6, 12)
    assert (report.load.phones, report.load.processes) == (6, -(-6 // PHONES_A_PROCESS))
    assert report.server is not None
    assert (report.server.peak_memory_bytes or 0) > 1 << 20
    assert report.use_over_time
    assert report.partial is None


def test_raw_tensors_are_answered_by_our_server_too(served: SpawnedServer, samples: Path) -> None:
    how = Drive(requests=40, warmup=1, codec="binary", samples=samples)
    report = drive_fleet(served.ready.url, how, 2)
    assert (len(report.latency_us), report.errors, report.non_finite) == (40, 0, 0)
    text = drive_fleet(served.ready.url, Drive(requests=4, warmup=0, samples=samples), 1)
    assert report.body_bytes != text.body_bytes


def test_all_phones_together_have_the_rate(served: SpawnedServer) -> None:
    report = drive_fleet(served.ready.url, Drive(requests=100_000, seconds=2, rate_per_s=100, poisson_seed=1), 4)
    assert len(report.latency_us) == pytest.approx(200, abs=45)  # a Poisson process: 3 standard deviations
    assert report.errors == 0
    assert report.load.arrivals == "poisson"
    assert len(report.late_us) > 100


def test_an_open_loop_tells_the_stalls_that_a_closed_loop_hides() -> None:
    """A call of 1 ms, and each 250th one stands for 100 ms: the 250 requests a second that come in meanwhile wait."""

    def share_over(report: ClientReport, limit_us: float) -> float:
        return sum(value > limit_us for value in report.latency_us) / len(report.latency_us)

    with model_process(delay_s=0.001, stall_every=250, stall_s=0.1) as url:
        closed = drive_fleet(url, Drive(requests=1000, warmup=0), 1)
        opened = drive_fleet(url, Drive(requests=1000, warmup=0, rate_per_s=250, poisson_seed=0), 1)
    assert share_over(closed, 20_000) < 0.01, "four requests of a thousand met the stall itself"
    assert share_over(opened, 20_000) > 0.05, "a tenth of the time the server stood"
    assert max(opened.latency_us) == pytest.approx(103_000, abs=60_000)


def test_it_goes_on_until_so_many_answers_whatever_fails() -> None:
    with http_model(Faults(busy_every=3)) as url:
        report = drive_fleet(url, Drive(requests=10_000, answers=64, warmup=0), 2)
    assert len(report.latency_us) == 64
    assert report.errors > 20
    assert report.requests == 64 + report.errors


def test_what_a_phone_meets_is_raised_here(served: SpawnedServer, tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="cannot reach a server"):
        drive_fleet("http://127.0.0.1:9", Drive(), 2)
    with pytest.raises(ServingError, match="no model 'nope'"):
        drive_fleet(served.ready.url, Drive(name="nope"), 2)
    with pytest.raises(UsageError, match="at least 1"):
        drive_fleet(served.ready.url, Drive(), 0)
    import numpy as np

    np.savez(tmp_path / "wide.npz", x=np.ones((3, 5), np.float32))
    with pytest.raises(UsageError, match=r"the model takes \[1, 4\]"):
        drive_fleet(served.ready.url, Drive(samples=tmp_path / "wide.npz"), 2)
    assert issubclass(SamplesError, UsageError)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_keeps_what_was_measured_and_leaves_no_process(served: SpawnedServer) -> None:
    kept: list[ClientReport] = []
    threading.Timer(2.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        drive_fleet(served.ready.url, Drive(requests=10**7, rate_per_s=50, seconds=30), 3, kept=kept.append)
    assert time.monotonic() - begin < 8
    (report,) = kept
    assert report.partial == "it was interrupted"
    assert 5 < len(report.latency_us) < 200
    assert report.errors == 0
    assert not [child for child in psutil.Process().children() if "crowd" in " ".join(child.cmdline())]


def test_a_job_comes_back_as_it_was(tmp_path: Path) -> None:
    how = Drive(samples=tmp_path / "s.npz", codec="binary", rate_per_s=3.0, poisson_seed=4)
    job = Job("http://h:1", how, "out.json", 2, 4, 8, ("127.0.0.1", 9), (1, 2))
    assert decode_job(encode_job(job)) == job
    assert Way() == Way(None, ())
    assert sys.version_info >= (3, 11)
