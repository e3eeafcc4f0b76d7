"""A candidate of a run soaked into it, by the real runtime."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.phases.run_folder import add_conversion, add_validation, make_run

from edgeproof.devices.base import Place
from edgeproof.devices.host import HostDevice
from edgeproof.documents.base import write_document
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.evaluation import EvaluationDocument
from edgeproof.documents.soak import SoakReport
from edgeproof.errors import ArtifactError, UsageError
from edgeproof.formats.registry import artifact_document
from edgeproof.measure.soak import SoakLength
from edgeproof.phases.evaluate import evaluate, read_evidence
from edgeproof.phases.measurement import soaking
from edgeproof.phases.measurement.soaking import resume_soak, soak_candidate, stopped_soak
from edgeproof.rundir import RunDir


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


class Board(HostDevice):
    """Stands for a Raspberry Pi behind a link: the same runner on this machine, under another name."""

    name = "double:pi"
    device_class = "raspberry-pi"

    def place(self) -> Place:
        return Place(system="linux", architecture=platform.machine(), python="3.11")


def soaked_run(tmp_path: Path) -> RunDir:
    run = make_run(tmp_path)
    add_conversion(run, ["onnx-fp32"])
    add_validation(run, {"onnx-fp32": "passed"})
    return run


def test_one_on_a_device_stands_beside_that_of_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soaking, "open_device", lambda _address: Board())
    run = soaked_run(tmp_path)
    artifact = run.path("artifacts/onnx-fp32/tiny.onnx")
    here = soak_candidate(run.root, artifact, SoakLength(0.4))
    there = soak_candidate(run.root, artifact, SoakLength(0.4), device="double:pi")
    assert (there.device, there.device_class) == ("double:pi", "raspberry-pi")
    assert sorted(read_evidence(run).soaks, key=lambda soak: soak.device) == [there, here]
    policy = tmp_path / "soaked.toml"
    policy.write_text('soak = "0.36s"\n')
    states = {
        verdict.device_class: next(point.state for point in verdict.standings[0].points if point.name == "soak")
        for verdict in evaluate(run, policy).verdicts
        if verdict.device_class in ("host", "raspberry-pi")
    }
    assert states == {"host": "met", "raspberry-pi": "met"}


def test_one_that_is_stopped_counts_as_too_short_and_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = soaked_run(tmp_path)
    artifact = run.path("artifacts/onnx-fp32/tiny.onnx")
    whole = soak_candidate(run.root, artifact, SoakLength(0.4, 0.1))
    final, partial = run.path(whole.path_in_run()), run.path(SoakReport.partial_of("onnx-fp32", "host"))
    final.unlink()
    write_document(partial, replace(whole, partial=True, asked_seconds=0.8))
    assert [soak.partial for soak in read_evidence(run).soaks] == [True]
    assert stopped_soak(run.root)[0] == partial
    seen = resume_soak(run.root)
    assert (seen.partial, len(seen.segments)) == (False, 2)
    assert seen.seconds == pytest.approx(0.8, abs=0.1)
    assert final.is_file()
    assert not partial.exists()
    with pytest.raises(UsageError, match="no soak that was stopped"):
        resume_soak(run.root)


def test_an_artifact_that_is_another_than_its_document_tells_is_refused(tmp_path: Path) -> None:
    run = soaked_run(tmp_path)
    conversion = run.read(ConversionDocument)
    (made,) = conversion.candidates
    run.write(replace(conversion, candidates=(replace(made, sha256="0" * 64),)))
    artifact = run.path(made.artifact or "")
    document = artifact_document(artifact)[0]
    if document.sha256:
        with pytest.raises(ArtifactError, match="another artifact than the run's document tells of"):
            soak_candidate(run.root, artifact, SoakLength(0.4))
    artifact.write_bytes(artifact.read_bytes() + b"\0")
    with pytest.raises(ArtifactError):
        soak_candidate(run.root, artifact, SoakLength(0.4))
