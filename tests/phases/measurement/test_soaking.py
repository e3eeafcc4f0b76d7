"""A candidate of a run soaked into it, by the real runtime."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.phases.run_folder import add_conversion, add_validation, make_run

from edgeproof.documents.evaluation import EvaluationDocument
from edgeproof.errors import UsageError
from edgeproof.measure.soak import SoakLength
from edgeproof.phases.evaluate import evaluate, read_evidence
from edgeproof.phases.measurement.soaking import soak_candidate


@pytest.mark.parametrize("named", ["file", "folder"])
def test_a_soak_is_evidence_of_its_run(tmp_path: Path, named: str) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["sdk-eager", "onnx-fp32"])
    add_validation(run, {"sdk-eager": "passed", "onnx-fp32": "passed"})
    policy = tmp_path / "soaked.toml"
    policy.write_text("soak_hours = 0.0002\n")  # 0.72 s
    artifact = run.path("artifacts/onnx-fp32/tiny.onnx")
    report = soak_candidate(run.root, artifact if named == "file" else artifact.parent, SoakLength(0.8))
    assert run.path("phase4_soak/onnx-fp32.json").is_file()
    assert read_evidence(run).soaks == (report,)
    assert run.read(EvaluationDocument).verdicts
    verdict = next(found for found in evaluate(run, policy).verdicts if found.device_class == "host")
    states = {
        standing.candidate: next(point.state for point in standing.points if point.name == "soak")
        for standing in verdict.standings
    }
    assert states == {"onnx-fp32": "met", "sdk-eager": "not measured"}


def test_what_the_run_does_not_have_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["onnx-fp32"])
    with pytest.raises(UsageError, match="is no artifact of the run") as refused:
        soak_candidate(run.root, tmp_path, SoakLength(0.8))
    assert "artifacts/onnx-fp32/tiny.onnx" in (refused.value.hint or "")
