"""MLCommons' own load generator against a real server, and its summary as it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.doubles.http_model import Faults, http_model

from edgeproof.client.drive import Drive
from edgeproof.client.loadgen import Terms, parse_summary, run_scenario
from edgeproof.errors import MissingDependency, ServingError, UsageError
from edgeproof.serve.spawned import SpawnedServer


@pytest.fixture(scope="module")
def url(artifact: Path) -> Iterator[str]:
    pytest.importorskip("mlperf_loadgen")
    with SpawnedServer(artifact, timeout_s=60) as server:
        yield server.ready.url


def test_the_single_stream_is_valid_and_leaves_its_log(url: str, tmp_path: Path) -> None:
    seen = run_scenario(url, Drive(warmup=2), Terms("single-stream", 100, 0.5), 3, tmp_path / "log")
    assert (seen.verdict, seen.errors) == ("VALID", 0)
    assert seen.figures["Scenario"] == "SingleStream"
    assert int(seen.figures["90.0th percentile latency (ns)"]) > 10_000
    assert seen.settings["min_query_count"] == "100"
    assert "Result is : VALID" in (tmp_path / "log" / "mlperf_log_summary.txt").read_text()
    assert (tmp_path / "log" / "mlperf_log_detail.txt").stat().st_size > 1000


def test_the_server_scenario_says_how_many_queries_a_percentile_needs(url: str) -> None:
    seen = run_scenario(url, Drive(), Terms("server", 100, 0.5, rate_per_s=200, bound_ms=1000), 2, None)
    assert seen.verdict == "INVALID"
    assert any("more queries" in reason for reason in seen.reasons)
    assert seen.figures["Early stopping satisfied"] == "NO"
    assert seen.log == ""


def test_the_offline_scenario_gives_a_rate(url: str) -> None:
    seen = run_scenario(url, Drive(), Terms("offline", 200, 0.2, rate_per_s=2000), 2, None)
    assert float(seen.figures["Samples per second"]) > 10
    assert seen.verdict in ("VALID", "INVALID")


def test_requests_that_failed_are_told_beside_its_verdict() -> None:
    pytest.importorskip("mlperf_loadgen")
    with http_model(Faults(busy_every=10)) as url:
        seen = run_scenario(url, Drive(warmup=1), Terms("single-stream", 50, 0.1), 1, None)
    assert seen.errors >= 4
    assert seen.reasons[-1] == f"{seen.errors} requests had no right answer"


def test_what_it_needs() -> None:
    with pytest.raises(UsageError, match="needs a rate and a bound"):
        Terms("server").check()
    with pytest.raises(UsageError, match="at least 1 query"):
        Terms("offline", queries=0).check()


def test_without_the_generator_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingDependency) as caught:
        run_scenario("http://127.0.0.1:9", Drive(), Terms("single-stream"), 1, None)
    assert "edgeproof[loadgen]" in (caught.value.hint or "")


def test_a_server_that_is_gone_is_an_error() -> None:
    pytest.importorskip("mlperf_loadgen")
    with pytest.raises(ServingError, match="cannot reach a server"):
        run_scenario("http://127.0.0.1:9", Drive(), Terms("single-stream"), 1, None)


def test_a_summary_without_a_verdict_is_refused() -> None:
    with pytest.raises(ServingError, match="no verdict"):
        parse_summary("Scenario : Server\n", "server", 0, "")
