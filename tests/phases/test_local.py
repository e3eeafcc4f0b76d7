"""Phase 2 with real servers, real clients and real artifacts."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest
from tests.phases.run_folder import artifact_of, make_run

from edgeproof.client.capacity import bound_of
from edgeproof.documents.latency import LatencySummary
from edgeproof.errors import DocumentError, ServingError
from edgeproof.phases import local
from edgeproof.phases.local import Proof, prove_local
from edgeproof.phases.proving import cold, driving


def test_one_candidate_then_another_beside_it(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    first = prove_local(run, [("sdk-eager", artifact_of(run, "sdk-eager"))], Proof(requests=70, cold_starts=2))
    served = first.served[0]
    assert served.candidate == "sdk-eager"
    assert served.artifact == "artifacts/sdk-eager/tiny.onnx"
    assert served.cold_start is not None
    assert served.cold_start.processes == 2
    assert min(served.cold_start.exec_to_first_ms) > max(served.cold_start.load_ms) > 1
    assert min(served.cold_start.first_inference_us) > 0
    assert served.steady.median_us / 1000 < served.cold_start.median_ms / 10
    assert served.server_inference is not None
    assert served.server_inference.median_us < served.steady.median_us
    assert (served.server.peak_memory_bytes or 0) > 10 << 20
    assert served.server.cpu_percent is not None
    assert len(served.first_request_us) == 2
    assert max(served.first_request_us) / 1000 < served.cold_start.median_ms
    assert served.as_before is not None
    assert (served.as_before.cold_start_included, served.as_before.requests) == (True, 71)
    assert served.as_before.mean_ms > served.steady.mean_us / 1000
    assert served.load is not None
    assert (served.load.arrivals, served.retries, served.partial) == ("closed loop", 0, None)
    assert (served.sent_bytes or 0) > 70 * served.body_bytes
    assert served.use_over_time
    assert served.cold_starts_note is None

    second = prove_local(run, [("onnx-fp32", artifact_of(run, "onnx-fp32"))], Proof(requests=20, cold_starts=1))
    assert [served.candidate for served in second.served] == ["sdk-eager", "onnx-fp32"]
    assert second.served[0] == served
    assert run.read(LatencySummary) == second
    for served in second.served:
        values = json.loads(run.path(served.steady.raw).read_bytes())
        assert len(values) == served.steady.count
        assert min(values) == pytest.approx(served.steady.min_us, abs=1e-3)


def test_two_candidates_take_turns_and_a_broken_one_costs_itself(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    lines: list[str] = []
    candidates = [("a", artifact_of(run, "a")), ("b", artifact_of(run, "b")), ("bad", broken)]
    summary = prove_local(run, candidates, Proof(requests=20, cold_starts=1), lines.append)
    assert [served.candidate for served in summary.served] == ["a", "b"]
    assert "broken.onnx" in summary.not_measured["bad"]
    assert [line.split(":")[0] for line in lines if "round" in line] == ["a", "b", "b", "a", "a", "b", "a", "b"]
    assert [served.requests for served in summary.served] == [20, 20]
    again = prove_local(run, [("bad", artifact_of(run, "bad"))], Proof(requests=5, cold_starts=1))
    assert "bad" not in again.not_measured
    assert len(again.served) == 3


def test_nothing_that_serves_is_an_error(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with pytest.raises(ServingError, match="sdk-eager: the server of"):
        prove_local(run, [("sdk-eager", tmp_path / "nosuch.onnx")], Proof(requests=5, cold_starts=1))
    assert not run.has(LatencySummary)
    with pytest.raises(ServingError, match="no candidate"):
        prove_local(run, [], Proof())


def test_phase_1_comes_first(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.path("phase1_samples.json").unlink()
    with pytest.raises(DocumentError, match=r"phase1_samples\.json"):
        prove_local(run, [("sdk-eager", artifact_of(run, "sdk-eager"))], Proof())


def test_networks_and_capacity_where_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving, "TOLERANCE", 0.5)
    monkeypatch.setattr(driving, "STEP_LIMIT_S", 1.0)
    run = make_run(tmp_path)
    proof = Proof(requests=12, cold_starts=1, networks=("ethernet", "4g"), bound=bound_of("p50=20ms"))
    summary = prove_local(run, [("a", artifact_of(run, "a"))], proof)
    (served,) = summary.served
    assert [network.profile.name for network in served.networks] == ["ethernet", "4g"]
    for network in served.networks:
        assert network.steady is not None
        assert network.steady.count == 12
        assert run.path(network.steady.raw).is_file()
        assert network.shaping.round_trip_median_ms is not None
    over_4g = served.networks[1].steady
    assert over_4g is not None
    assert over_4g.median_us > 10_000 > served.steady.median_us
    assert served.capacity is not None
    assert served.capacity.steps
    assert "network" not in summary.not_measured


def test_a_network_that_fails_costs_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ServingError("no air today")

    monkeypatch.setattr(driving, "shaped", refuse)
    run = make_run(tmp_path)
    summary = prove_local(run, [("a", artifact_of(run, "a"))], Proof(requests=5, cold_starts=1, networks=("wifi",)))
    assert summary.served[0].networks == ()
    assert summary.not_measured["a over wifi"] == "no air today"


def test_a_slow_candidate_gets_fewer_cold_starts_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold, "LONG_S", 0.1)
    run = make_run(tmp_path)
    served = prove_local(run, [("a", artifact_of(run, "a"))], Proof(requests=5, cold_starts=5)).served[0]
    assert served.cold_start is not None
    assert served.cold_start.processes == 3
    assert "3 of 5 that were asked for" in (served.cold_starts_note or "")
    assert "with 75 % confidence" in (served.cold_starts_note or "")


def test_when_cold_starts_are_enough() -> None:
    assert not cold.enough([3000.0, 3000.0], 5)
    assert cold.enough([3000.0, 3000.0, 3000.0], 5)
    assert not cold.enough([300.0] * 4, 5)
    assert cold.enough([300.0] * 5, 5)
    assert cold.enough([9000.0], 1)
    assert cold.note([300.0] * 5, 5) is None
    assert cold.note([], 5) is None


def test_an_interruption_keeps_what_was_driven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "drive_over_networks", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prove_local(run, [("a", artifact_of(run, "a"))], Proof(requests=20, cold_starts=1))
    served = run.read(LatencySummary).served[0]
    assert (served.partial, served.steady.count) == ("it was interrupted", 20)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_in_the_middle_of_the_client_keeps_its_requests(tmp_path: Path) -> None:
    run = make_run(tmp_path)

    def watch(line: str) -> None:
        if "round 1" in line:
            threading.Timer(2.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        prove_local(run, [("a", artifact_of(run, "a"))], Proof(requests=200_000, cold_starts=1), watch)
    served = run.read(LatencySummary).served[0]
    assert served.partial == "it was interrupted"
    assert 50 < served.steady.count < 150_000
    assert served.errors == 0
