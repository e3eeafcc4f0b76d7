"""Phase 2 with real servers, real clients and real artifacts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.phases.run_folder import artifact_of, make_run

from edgeproof.documents.latency import LatencySummary
from edgeproof.errors import DocumentError, ServingError
from edgeproof.phases.local import Proof, prove_local


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
