"""Phase 3, first half: every candidate has a result, whatever its converter does; what is finished stays."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging import markers

from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.validation import ValidationDocument
from edgeproof.phases.convert import convert, convert_sdk
from edgeproof.phases.prepare import prepare
from edgeproof.phases.validate import validate
from edgeproof.rundir import RunDir
from edgeproof.trust import fingerprint

NewRun = Callable[..., RunDir]
FINISHED = re.compile(r" in \d+\.\d s \(\d of \d(, about \d+ s left)?\)$")


def by_name(document: ConversionDocument) -> dict[str, ConversionResult]:
    return {candidate.candidate: candidate for candidate in document.candidates}


def stamps(run: RunDir) -> dict[str, int]:
    return {str(path.relative_to(run.root)): path.stat().st_mtime_ns for path in run.path("artifacts").rglob("*")}


@pytest.mark.slow
@pytest.mark.usefixtures("_misbehaving")
def test_results_are_complete_and_kept_and_nan_fails(new_run: NewRun) -> None:
    names = ["torchscript-fp32", "misbehaving-aborts", "misbehaving-good", "misbehaving-refuses"]
    run = new_run(*names)
    prepare(run)
    lines: list[str] = []
    document = convert(run, lines.append)
    assert run.read(ConversionDocument) == document
    assert [candidate.candidate for candidate in document.candidates] == names
    assert [candidate.status for candidate in document.candidates] == ["ok", "failed", "ok", "failed"]
    made = [line for line in lines if FINISHED.search(line)]
    counts = [line.partition("(")[2].partition(",")[0].rstrip(")") for line in made]
    assert sorted(counts) == [f"{number} of 4" for number in range(1, 5)]
    assert all("s left" in line for line in made[:-1])
    assert sorted(line.partition(":")[0] for line in made) == sorted(names)
    found = by_name(document)
    for name in ("torchscript-fp32", "misbehaving-good"):
        result = found[name]
        assert result.artifact is not None
        assert not Path(result.artifact).is_absolute()
        assert fingerprint(run.path(result.artifact)) == (result.sha256, result.bytes)
        assert result.versions
        assert (result.seconds or 0) > 0
    assert "the converter was killed by SIGABRT (signal 6)" in (found["misbehaving-aborts"].reason or "")
    assert (found["misbehaving-refuses"].reason, found["misbehaving-refuses"].remedy) == (
        "this operator is not known",
        "use another",
    )
    assert {path.name for path in run.path("artifacts").iterdir()} == set(names) - {
        "misbehaving-aborts",
        "misbehaving-refuses",
    }

    results = {result.candidate: result for result in validate(run).results}
    assert results["torchscript-fp32"].status == "passed"
    assert results["misbehaving-good"].status == "failed"
    assert "240 values are NaN or Inf, first in sample 0" in (results["misbehaving-good"].reason or "")
    assert results["misbehaving-good"].differences is None

    before = stamps(run)
    assert by_name(convert(run)) == found
    assert stamps(run) == before

    run.path("artifacts/torchscript-fp32/artifact.json").unlink()
    lines.clear()
    again = by_name(convert(run, lines.append))
    assert [line.partition(":")[0] for line in lines if FINISHED.search(line)] == ["torchscript-fp32"]
    assert again["torchscript-fp32"].status == "ok"
    changed = {path for path, stamp in stamps(run).items() if before.get(path) != stamp}
    assert all(path.startswith("artifacts/torchscript-fp32") or path == "artifacts" for path in changed)


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree], ids=["moved", "copied"])
def test_a_run_goes_on_in_another_place_with_what_lies_there(
    move: Callable[[Path, Path], object], new_run: NewRun, tmp_path: Path
) -> None:
    """Its process died in phase 3, after one candidate."""
    run = new_run("sdk-eager", "torchscript-fp32")
    prepare(run)
    ((_, first),) = convert_sdk(run)
    other = RunDir(tmp_path / "other")
    move(run.root, other.root)
    ((candidate, artifact),) = convert_sdk(other)
    assert candidate == "sdk-eager"
    assert artifact == (other.root / first.relative_to(run.root.resolve())).resolve()
    found = by_name(convert(other))
    assert [result.status for result in found.values()] == ["ok", "ok"]
    for result in found.values():
        assert result.artifact is not None
        assert result.log is not None
        assert other.path(result.artifact).is_file()
        assert other.path(result.log).is_file()
    told = [path for path in other.root.rglob("*.json") if str(run.root) in path.read_text().replace("/other", "")]
    assert [path for path in told if path.name != "manifest.json"] == []


def test_control_flow_on_data_fails_every_candidate_at_its_line(new_run: NewRun) -> None:
    run = new_run("sdk-eager", "onnx-fp32", "onnx-fp32-step", body="x = -x if x.sum() > 0 else x", timesteps=2)
    prepare(run)
    assert convert_sdk(run) == []
    document = convert(run)
    text = (Path(run.manifest().working_directory) / "small.py").read_text()
    line = 1 + next(number for number, line in enumerate(text.splitlines()) if "x.sum() > 0" in line)
    for candidate in document.candidates:
        assert candidate.status == "failed"
        assert f"small.py:{line}: `x = -x if x.sum() > 0 else x`" in (candidate.reason or "")
        assert "torch.where" in (candidate.remedy or "")
    assert not run.path("artifacts").exists()
    assert validate(run).results == ()
    assert run.read(ValidationDocument).reference_score is not None


def test_a_model_that_breaks_its_process_fails_every_candidate_with_the_signal(new_run: NewRun) -> None:
    sampled = "(__import__('pathlib').Path(__file__).parent / 'run' / 'phase1_samples.json').exists()"
    abort = f"{sampled} and __import__('os').abort()"
    run = new_run("sdk-eager", "onnx-fp32", body=abort)
    prepare(run)
    document = convert(run)
    for candidate in document.candidates:
        assert candidate.status == "failed"
        assert "the process of the model was killed by SIGABRT (signal 6)" in (candidate.reason or "")
    found = validate(run)
    assert (found.results, found.samples, found.reference_score) == ((), 0, None)


def test_what_is_not_installed_is_skipped_with_its_remedy(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run("onnx-fp32", "onnx-int8")
    prepare(run)
    real = metadata.version

    def version(name: str) -> str:
        if name == "onnxscript":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    for candidate in convert(run).candidates:
        assert candidate.status == "skipped"
        assert candidate.reason == "missing onnxscript<0.8,>=0.6"
        assert candidate.remedy == "pip install 'edgeproof[onnx]'"
    assert not run.path("artifacts").exists()


def test_what_has_no_converter_for_this_system_is_skipped(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run("litert-fp32")
    prepare(run)
    real, here = metadata.version, markers.default_environment()

    def version(name: str) -> str:
        if name == "litert-converter":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(
        markers, "default_environment", lambda: {**here, "sys_platform": "linux", "platform_machine": "aarch64"}
    )
    (found,) = convert(run).candidates
    assert found.status == "skipped"
    assert found.reason == "missing litert-converter<0.6,>=0.5 (no converter for this system)"
    assert "convert on a system that has the converter" in (found.remedy or "")
