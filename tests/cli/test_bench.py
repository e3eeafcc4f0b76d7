"""``bench`` with phones, networks, percentiles, capacity and scenarios, as a user types it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.doubles.http_model import Faults, http_model, model_process

from edgeproof.documents.base import decode
from edgeproof.documents.latency import LatencySummary

EDGEPROOF = [sys.executable, "-c", "from edgeproof.cli import main; main()"]


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*EDGEPROOF, "bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with model_process(delay_s=0.001) as url:
        yield url


def test_it_goes_on_until_a_percentile_is_supported(url: str) -> None:
    done = bench(url, "--until", "p95", "--json")
    assert done.returncode == 0, done.stderr
    served = decode(done.stdout, LatencySummary).served[0]
    assert served.steady.count == 130
    assert served.steady.p95.value_us is not None
    assert served.as_before is not None
    assert served.as_before.cold_start_included is False


def test_a_cap_is_told_with_what_is_missing(url: str) -> None:
    done = bench(url, "--until", "p99", "--max-requests", 100)
    assert done.returncode == 0
    assert "p99 needs 562 more requests: a cap was reached" in done.stderr
    timed = bench(url, "--until", "p99", "--max-seconds", 0.3, "--think", 0.02)
    assert "a cap was reached" in timed.stderr


def test_phones_over_networks_in_binary(url: str, tmp_path: Path) -> None:
    words = ("--clients", 3, "--network", "loopback,4g", "--requests", 36, "--codec", "binary")
    done = bench(url, *words, "--raw", tmp_path / "raw.json")
    assert done.returncode == 0, done.stderr
    assert "binary tensors" in done.stdout
    assert "4g: user space" in done.stdout or "4g: tc netem" in done.stdout
    assert "ms round trip" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"raw.json", "raw-4g.json"}


def test_capacity_and_a_scenario(url: str) -> None:
    done = bench(url, "--capacity", "p50=20ms", "--tolerance", 0.5, "--requests", 60)
    assert "capacity p50 ≤ 20 ms: " in done.stdout
    assert "requests/s" in done.stdout
    pytest.importorskip("mlperf_loadgen")
    words = ("--scenario", "single-stream", "--scenario-queries", 70, "--scenario-seconds", 0.2, "--requests", 11)
    done = bench(url, *words)
    assert "MLPerf single-stream: VALID" in done.stdout, done.stderr


def test_failed_requests_are_exit_1_and_retries_help() -> None:
    with http_model(Faults(busy_every=5)) as url:
        failed = bench(url, "--requests", 20, "--warmup", 0)
        assert failed.returncode == 1
        assert "of 20 requests failed; the first: HTTP 503: busy" in failed.stderr
        again = bench(url, "--requests", 20, "--warmup", 0, "--retries", 3)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("clients", [1, 3])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_keeps_what_was_measured(
    url: str, clients: int, number: signal.Signals, code: int, tmp_path: Path
) -> None:
    raw = tmp_path / "raw.json"
    words = ["--requests", "1000000", "--clients", str(clients), "--raw", str(raw), "--json"]
    process = subprocess.Popen(
        [*EDGEPROOF, "bench", url, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    time.sleep(3.5)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in err
    served = decode(out, LatencySummary).served[0]
    assert served.partial == "it was interrupted"
    assert served.errors == 0
    assert len(json.loads(raw.read_text())["latency_us"]) == served.steady.count > 20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--network", "6g"), "no network profile '6g'"),
        (("--capacity", "fast"), "is not a bound"),
        (("--scenario", "server"), "needs a rate and a bound"),
        (("--bound-ms", "5"), "belongs to --scenario server"),
        (("--max-requests", "5"), "is a cap of --until"),
        (("--poisson",), "needs a rate"),
        (("--rate", "5", "--think", "1"), "exclude each other"),
        (("--clients", "0"), "--clients"),
        (("--until", "p98"), "--until"),
    ],
)
def test_what_cannot_be_asked_for(url: str, words: tuple[str, ...], message: str) -> None:
    done = bench(url, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
