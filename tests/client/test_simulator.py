"""The simulator against real servers: what it counts, and what it says when the server fails."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.doubles.artifact import write_samples

from edgeproof.client.simulator import ClientReport, drive
from edgeproof.client.summary import summarise
from edgeproof.documents.base import decode
from edgeproof.errors import SamplesError, ServingError, UsageError
from edgeproof.serve.spawned import SpawnedServer

DOUBLE = Path(__file__).parents[1] / "doubles" / "session.py"


def double(*arguments: str) -> SpawnedServer:
    return SpawnedServer(Path("double"), command=[sys.executable, str(DOUBLE), "0", *arguments], timeout_s=30)


@pytest.fixture(scope="module")
def quick() -> Iterator[SpawnedServer]:
    with double("4", "0") as server:
        yield server


def test_every_request_is_kept(quick: SpawnedServer) -> None:
    report = drive(quick.ready.url, requests=120, warmup=5)
    assert len(report.latency_us) == len(report.inference_us) == 120
    assert (report.errors, report.warmup, report.platform) == (0, 5, "double")
    assert all(inner < outer for inner, outer in zip(report.inference_us, report.latency_us, strict=True))
    assert report.body_bytes > 50
    assert report.server is not None
    assert (report.server.peak_memory_bytes or 0) > 1 << 20
    assert 0 < (report.server.cpu_percent or 0) < 200


def test_the_summary_is_phase_2_s_without_a_cold_start(quick: SpawnedServer) -> None:
    summary = summarise(drive(quick.ready.url, requests=70), raw="")
    served = summary.served[0]
    assert served.cold_start is None
    assert "cold_start" in summary.not_measured
    assert "raw" in summary.not_measured
    assert served.steady.p90.value_us is not None
    assert served.steady.p95.needs_more == 60


def test_in_an_open_loop_latency_counts_from_the_intended_time() -> None:
    with double("4", "0.02") as server:
        closed = drive(server.ready.url, requests=20, warmup=2)
        opened = drive(server.ready.url, requests=20, warmup=2, rate_per_s=100)
    assert statistics.median(closed.latency_us) == pytest.approx(20_500, rel=0.2)
    assert opened.latency_us[-1] > 150_000, "a server half as fast as the rate builds a queue that the client must see"
    assert list(opened.latency_us) == sorted(opened.latency_us)


def test_a_rate_that_the_server_meets_is_kept(quick: SpawnedServer) -> None:
    report = drive(quick.ready.url, requests=50, rate_per_s=200)
    assert report.seconds == pytest.approx(49 / 200, abs=0.05)


def test_samples_from_a_file_are_sent(quick: SpawnedServer, samples: Path, tmp_path: Path) -> None:
    assert drive(quick.ready.url, requests=20, samples=samples).errors == 0
    with pytest.raises(SamplesError, match=r"is \[5\]; expected \[1, 4\]"):
        drive(quick.ready.url, samples=write_samples(tmp_path / "wide.npz", features=5))


def test_nan_in_the_answers_is_counted(tmp_path: Path) -> None:
    from tests.doubles.artifact import write_onnx

    with SpawnedServer(write_onnx(tmp_path / "poison.onnx", poison=True), timeout_s=60) as server:
        assert drive(server.ready.url, requests=10, warmup=0).non_finite == 30


def test_a_server_that_always_fails_is_an_error_with_its_reason() -> None:
    with double("4", "0", "the runtime fell over") as server, pytest.raises(ServingError) as caught:
        drive(server.ready.url, requests=3)
    assert "all 3 requests failed" in caught.value.message
    assert "HTTP 500: the runtime fell over" in caught.value.message


def test_a_server_killed_in_the_middle_is_an_error_and_no_hang() -> None:
    with double("4", "0.005") as server:
        child = server._child
        assert child is not None
        threading.Timer(0.5, lambda: os.kill(child.pid, signal.SIGKILL)).start()
        begin = time.monotonic()
        with pytest.raises(ServingError, match="cannot reach a server"):
            drive(server.ready.url, requests=10_000)
        assert time.monotonic() - begin < 10


def test_an_unknown_model_and_wrong_numbers(quick: SpawnedServer) -> None:
    with pytest.raises(ServingError, match="no model 'nope'; it serves double"):
        drive(quick.ready.url, name="nope")
    for wrong in ({"requests": 0}, {"warmup": -1}, {"rate_per_s": 0.0}):
        with pytest.raises(UsageError):
            drive(quick.ready.url, **wrong)  # type: ignore[arg-type]


def test_as_a_process_of_its_own(quick: SpawnedServer, samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "client.json"
    command = [sys.executable, "-m", "edgeproof.client.simulator", quick.ready.url]
    subprocess.run([*command, "--requests", "12", "--samples", str(samples), "--out", str(out)], check=True, timeout=60)
    report = decode(out.read_bytes(), ClientReport)
    assert len(report.latency_us) == 12
    printed = subprocess.run([*command, "--requests", "3"], capture_output=True, check=True, timeout=60)
    assert json.loads(printed.stdout)["requests"] == 3


def test_as_a_process_failures_have_codes_and_no_traceback() -> None:
    command = [sys.executable, "-m", "edgeproof.client.simulator"]
    for arguments, code in ((["http://127.0.0.1:9"], 1), (["https://x"], 2), ([], 2), (["x", "--requests", "many"], 2)):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        assert done.stderr
