"""What is measured, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeproof.documents.conversion import ConversionResult
from edgeproof.phases.measurement.record import targets_of
from edgeproof.rundir import RunDir


def made(candidate: str, *, sdk: bool = False) -> ConversionResult:
    return ConversionResult(
        candidate=candidate,
        format=candidate,
        precision="fp32",
        form="whole",
        status="ok",
        sdk=sdk,
        artifact=f"artifacts/{candidate}",
    )


@pytest.mark.parametrize("asked", [("sdk-native", "onnx", "sdk-eager"), ("onnx", "sdk-eager", "sdk-native")])
def test_the_eager_engine_is_the_baseline_in_whatever_order_candidates_are_asked_for(
    asked: tuple[str, ...], tmp_path: Path
) -> None:
    chosen = [made(name, sdk=name.startswith("sdk-")) for name in asked]
    targets = targets_of(RunDir(tmp_path), chosen, {})
    assert [target.candidate for target in targets] == ["sdk-eager", "sdk-native", "onnx"]


def test_what_cannot_run_here_is_not_measured(tmp_path: Path) -> None:
    chosen = [made("onnx"), made("sdk-eager", sdk=True)]
    targets = targets_of(RunDir(tmp_path), chosen, {"sdk-eager": "no engine here"})
    assert [target.artifact for target in targets] == [tmp_path / "artifacts" / "onnx"]
