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

import numpy as np
import pytest
from tests.doubles.artifact import write_onnx, write_samples, write_whole

from edgeproof.client.simulator import ClientReport, Drive, drive
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
    report = drive(quick.ready.url, Drive(requests=120, warmup=5))
    assert len(report.latency_us) == len(report.inference_us) == 120
    assert (report.errors, report.warmup, report.platform) == (0, 5, "double-fp32")
    assert all(inner < outer for inner, outer in zip(report.inference_us, report.latency_us, strict=True))
    assert report.body_bytes > 50
    assert report.server is not None
    assert (report.server.peak_memory_bytes or 0) > 1 << 20
    assert 0 < (report.server.cpu_percent or 0) < 200


def test_the_summary_is_phase_2_s_without_a_cold_start(quick: SpawnedServer) -> None:
    summary = summarise(drive(quick.ready.url, Drive(requests=70)), raw="")
    served = summary.served[0]
    assert served.cold_start is None
    assert "cold_start" in summary.not_measured
    assert "raw" in summary.not_measured
    assert served.steady.p90.value_us is not None
    assert served.steady.p95.needs_more == 60


def test_in_an_open_loop_latency_counts_from_the_intended_time() -> None:
    with double("4", "0.02") as server:
        closed = drive(server.ready.url, Drive(requests=20, warmup=2))
        opened = drive(server.ready.url, Drive(requests=20, warmup=2, rate_per_s=100))
    assert statistics.median(closed.latency_us) == pytest.approx(20_500, rel=0.2)
    assert opened.latency_us[-1] > 150_000, "a server half as fast as the rate builds a queue that the client must see"
    assert list(opened.latency_us) == sorted(opened.latency_us)


def test_a_rate_that_the_server_meets_is_kept(quick: SpawnedServer) -> None:
    report = drive(quick.ready.url, Drive(requests=50, rate_per_s=200))
    assert report.seconds == pytest.approx(49 / 200, abs=0.05)


def test_samples_from_a_file_are_sent(quick: SpawnedServer, samples: Path, tmp_path: Path) -> None:
    assert drive(quick.ready.url, Drive(requests=20, samples=samples)).errors == 0
    with pytest.raises(SamplesError, match=r"has the shape \[5\]; the model takes \[1, 4\]"):
        drive(quick.ready.url, Drive(samples=write_samples(tmp_path / "wide.npz", features=5)))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x": np.ones((3, 4), np.float32), "extra": np.ones((3, 1))},
            "the samples hold x, extra; the model's inputs are x",
        ),
        ({"x": np.full((3, 4), 1e300)}, "samples of x hold values that float32 cannot"),
        ({"x": np.full((3, 4), 1j)}, "samples of x are complex128"),
    ],
    ids=["an extra key", "1e300", "complex"],
)
def test_samples_that_a_cast_would_change_are_refused_before_a_request_is_sent(
    quick: SpawnedServer, tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(SamplesError) as caught:
        drive(quick.ready.url, Drive(requests=3, samples=tmp_path / "s.npz"))
    assert message in caught.value.message
    command = [
        sys.executable,
        "-m",
        "edgeproof.client.simulator",
        quick.ready.url,
        "--samples",
        str(tmp_path / "s.npz"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_whole_number_that_int32_cannot_hold_is_never_sent_as_another(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", x=np.full((3, 1), 2**40 + 5))
    with SpawnedServer(write_whole(tmp_path / "whole.onnx"), timeout_s=60) as server:
        with pytest.raises(SamplesError, match="hold values that int32 cannot: they are int64"):
            drive(server.ready.url, Drive(requests=3, samples=tmp_path / "s.npz"))
        np.savez(tmp_path / "s.npz", x=np.full((3, 1), 7))
        assert drive(server.ready.url, Drive(requests=3, samples=tmp_path / "s.npz")).errors == 0


def test_what_is_asked_for_as_words_is_what_a_process_of_its_own_does(
    quick: SpawnedServer, samples: Path, tmp_path: Path
) -> None:
    how = Drive(name="double", requests=7, warmup=1, rate_per_s=500, samples=samples, timeout_s=5)
    out = tmp_path / "client.json"
    command = [sys.executable, "-m", "edgeproof.client.simulator", quick.ready.url, *how.words(), "--out", str(out)]
    subprocess.run(command, check=True, timeout=60)
    report = decode(out.read_bytes(), ClientReport)
    assert (report.model, report.requests, report.warmup, report.rate_per_s) == ("double", 7, 1, 500)


def test_nan_in_the_answers_is_counted(tmp_path: Path) -> None:
    with SpawnedServer(write_onnx(tmp_path / "poison.onnx", poison=True), timeout_s=60) as server:
        assert drive(server.ready.url, Drive(requests=10, warmup=0)).non_finite == 30


def test_a_server_that_always_fails_is_an_error_with_its_reason() -> None:
    with double("4", "0", "the runtime fell over") as server, pytest.raises(ServingError) as caught:
        drive(server.ready.url, Drive(requests=3))
    assert "all 3 requests failed" in caught.value.message
    assert "HTTP 500: the runtime fell over" in caught.value.message


def test_a_server_killed_in_the_middle_is_an_error_and_no_hang() -> None:
    with double("4", "0.005") as server:
        child = server._child
        assert child is not None
        threading.Timer(0.5, lambda: os.kill(child.pid, signal.SIGKILL)).start()
        begin = time.monotonic()
        with pytest.raises(ServingError, match="cannot reach a server"):
            drive(server.ready.url, Drive(requests=10_000))
        assert time.monotonic() - begin < 10


def test_an_unknown_model_and_wrong_numbers(quick: SpawnedServer) -> None:
    with pytest.raises(ServingError, match="no model 'nope'; it serves double"):
        drive(quick.ready.url, Drive(name="nope"))
    for wrong in ({"requests": 0}, {"warmup": -1}, {"rate_per_s": 0.0}):
        with pytest.raises(UsageError):
            drive(quick.ready.url, Drive(**wrong))  # type: ignore[arg-type]


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
