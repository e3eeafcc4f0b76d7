"""What this machine has, and what each candidate lacks here."""

from __future__ import annotations

import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
from packaging import markers

from edgeproof.documents.base import decode, encode
from edgeproof.documents.environment import EnvironmentDocument
from edgeproof.errors import ProcessError
from edgeproof.phases.conversion.planned import plan
from edgeproof.phases.preparation.environment import read_environment


def test_every_candidate_every_tool_and_this_machine() -> None:
    found = read_environment()
    assert [candidate.candidate for candidate in found.candidates] == [
        planned.candidate for planned in plan(steps=False)
    ]
    assert {"adb", "ssh", "scp", "xcrun", "cc"} <= {tool.name for tool in found.tools}
    assert all(tool.purpose and tool.remedy for tool in found.tools)
    assert found.packages["torch"] == metadata.version("torch")
    assert found.machine.logical_cores >= found.machine.usable_cores >= 1
    assert decode(encode(found), EnvironmentDocument) == found


def test_what_is_missing_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "onnxruntime":
            raise metadata.PackageNotFoundError(name)
        return "0.0.1" if name == "torch" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    by_name = {candidate.candidate: candidate for candidate in read_environment().candidates}
    onnx = by_name["onnx-int8"]
    assert not onnx.possible
    assert any(text.startswith("onnxruntime") for text in onnx.missing)
    assert any(text == "torch==2.13.0 (found 0.0.1)" for text in onnx.missing)
    assert onnx.remedy == "pip install 'edgeproof[onnx]'"
    assert by_name["torchscript-fp32"].remedy == "pip install 'torch==2.13.0'"


def test_where_a_converter_has_no_build_no_command_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux on ARM: what converts is not there, and what another machine converted runs."""
    real = metadata.version
    here = markers.default_environment()

    def version(name: str) -> str:
        if name in {"litert-converter", "coremltools", "openvino"}:
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(
        markers, "default_environment", lambda: {**here, "sys_platform": "linux", "platform_machine": "aarch64"}
    )
    by_name = {candidate.candidate: candidate for candidate in read_environment().candidates}
    for candidate, package in (("litert-int8", "litert-converter<0.6,>=0.5"), ("coreml-fp16", "coremltools<9.1,>=9.0")):
        found = by_name[candidate]
        assert not found.possible
        assert found.missing == (f"{package} (no converter for this system)",)
        assert found.remedy is not None
        assert "pip" not in found.remedy
        assert "convert on a system that has the converter" in found.remedy
    assert by_name["openvino-fp32"].remedy == "pip install 'edgeproof[openvino]'"
    assert by_name["onnx-int8"].possible
    monkeypatch.setattr(markers, "default_environment", lambda: {**here, "sys_platform": "darwin"})
    (litert,) = (candidate for candidate in read_environment().candidates if candidate.candidate == "litert-int8")
    assert litert.missing == ("litert-converter<0.6,>=0.5",)
    assert litert.remedy == "pip install 'edgeproof[litert]'"


def test_a_program_that_hangs_or_fails_costs_its_version_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers: dict[str, bytes | ProcessError] = {
        "adb": ProcessError("adb gave no answer: it was silent for 10 s"),
        "cc": ProcessError("cc gave no answer: exec format error"),
        "ssh": b"",
        "xcrun": b"v 1\nmore",
    }

    def ask(command: tuple[str, ...], *, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
        answer = answers.get(command[0], b"v 0")
        if isinstance(answer, ProcessError):
            raise answer
        return subprocess.CompletedProcess(command, 0, stdout=answer, stderr=b"")

    monkeypatch.setattr(shutil, "which", lambda name: None if name == "scp" else str(tmp_path / name))
    monkeypatch.setattr("edgeproof.phases.preparation.environment.ask", ask)
    tools = {tool.name: tool for tool in read_environment().tools}
    assert tools["scp"].path is None
    assert tools["adb"].path == str(tmp_path / "adb")
    assert [tools[name].version for name in ("adb", "cc", "ssh", "xcrun", "taskset")] == [
        None,
        None,
        None,
        "v 1",
        "v 0",
    ]
