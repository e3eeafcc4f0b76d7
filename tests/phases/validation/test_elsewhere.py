"""Artifacts on other processors: what is true of one is never said of another."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

import edgeproof
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.policy import DifferenceLimits
from edgeproof.documents.runner import RunnerJob
from edgeproof.documents.signature import Signature, TensorSpec
from edgeproof.documents.validation import OnProcessor, ValidationResult
from edgeproof.errors import UsageError
from edgeproof.formats.registry import formats
from edgeproof.model.resolve import resolve_model
from edgeproof.phases.alone.conversion import convert_alone
from edgeproof.phases.alone.validation import validate_alone
from edgeproof.phases.validation.against import Reference
from edgeproof.phases.validation.elsewhere import Elsewhere, find_elsewhere, judge_there, usual_processors
from edgeproof.phases.validation.variants import Usual

PLAIN = np.arange(1, 13, dtype=np.float32).reshape(4, 1, 3)
EMULATOR = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")


def usual(precision: str = "int8", plain: np.ndarray = PLAIN) -> Usual:  # type: ignore[type-arg]
    specs = (TensorSpec(name="y", dtype="float32", shape=(1, 3)),)
    reference = Reference(Signature(inputs=(), outputs=specs), {"y": PLAIN}, None, Path("held.npz"), "model")
    document = ArtifactDocument(
        candidate=f"onnx-{precision}",
        format="onnx",
        precision=precision,
        form="whole",
        file="net.onnx",
        sha256="",
        bytes=1,
        inputs=(),
        outputs=(),
    )
    return Usual(RunnerJob(artifact="a", inputs="i"), document, {"y": plain}, reference, DifferenceLimits())


TOLD = ValidationResult(candidate="onnx-int8", artifact="a", status="passed")
KNOWN = OnProcessor(
    processor="cortex-a53", title="a board", agreement="does not run", classes=("raspberry-pi",), remedy="help"
)


def judged(there: np.ndarray, *, of: Usual | None = None, told: ValidationResult = TOLD) -> OnProcessor:  # type: ignore[type-arg]
    return judge_there(KNOWN, {"y": there}, {"y": PLAIN[: len(there)]}, told, of or usual())


@pytest.mark.parametrize(
    ("factor", "agreement"), [(1.0, "same bits"), (1.01, "within tolerance"), (1.5, "wrong"), (np.nan, "wrong")]
)
def test_the_three_answers(factor: float, agreement: str) -> None:
    found = judged(PLAIN[:2] * np.float32(factor))
    assert (found.agreement, found.samples, found.processor) == (agreement, 2, "cortex-a53")
    assert found.speaks_against == (agreement == "wrong")
    assert (found.remedy, found.reason is not None) == (("help", True) if found.speaks_against else (None, False))
    if not np.isnan(factor):
        assert found.differences is not None
        assert found.spread is not None
        assert found.differences.relative_l2 == pytest.approx(factor - 1, abs=1e-6)


def test_samples_that_are_harder_here_too_speak_against_no_processor() -> None:
    """The whole set passes, and its first samples do not, with the same numbers on both."""
    harder = usual(plain=np.concatenate([PLAIN[:2] * np.float32(1.2), PLAIN[2:]]))
    there = judge_there(KNOWN, {"y": harder.outputs["y"][:2]}, {"y": harder.outputs["y"][:2]}, TOLD, harder)
    assert there.agreement == "same bits"
    failed = msgspec.structs.replace(TOLD, status="failed")
    assert judged(PLAIN[:2] * np.float32(1.2), of=harder, told=failed).agreement == "wrong"


def test_what_is_not_looked_at() -> None:
    onnx, coreml = formats()["onnx"], formats()["coreml"]
    nowhere = Elsewhere({"cortex-a53": ("false",)}, every=False)
    assert nowhere.results(TOLD, usual("fp32"), onnx) == (), "it rounds nothing"
    assert Elsewhere().results(TOLD, usual(), onnx) == ()
    assert nowhere.results(TOLD, usual(), coreml) == (), "no such processor has its runtime"


def test_names_and_what_is_lacking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_elsewhere(("x86-64-v3", "cortex-a76"), tmp_path)
    assert found.pythons == {}
    assert list(found.lacking) == ["x86-64-v3", "cortex-a76"]
    assert "there is no qemu-x86_64 here" in found.lacking["x86-64-v3"]
    lacking = Elsewhere(lacking={"cortex-a53": "no Python", "cortex-a76": "no Python", "x86-64-v3": "no QEMU"})
    assert lacking.gaps == (
        "nothing is run on cortex-a53 and cortex-a76: no Python",
        "nothing is run on x86-64-v3: no QEMU",
    )
    with pytest.raises(UsageError, match="no processor pentium"):
        find_elsewhere(("pentium",), tmp_path)
    assert set(usual_processors()) <= {"x86-64-v3", "cortex-a53", "cortex-a76"}


class Sum(torch.nn.Module):
    """Products that are all large and of one sign: added in pairs into 16 bits they saturate."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(16, 64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(x, self.weight)


@pytest.mark.slow
@pytest.mark.skipif(EMULATOR is None, reason="qemu's emulator of x86-64 processors is not installed")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="this machine's packages are not for x86-64")
def test_int8_that_saturates_without_vnni_and_the_seven_bits_that_do_not(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (32, 1, 64)).astype(np.float32)
    x[:12] = np.random.default_rng(1).uniform(0.9, 1.0, (12, 1, 64))
    model = edgeproof.Model(Sum(), inputs=["x:float32[1,64]"], samples=edgeproof.Samples({"x": x}), name="sum")
    resolved = resolve_model(model)
    names = ["onnx-int8", "onnx-int8w7", "sdk-native"]
    convert_alone(resolved, names, tmp_path / "out")
    processors = ("x86-64-v2", "x86-64-v3")
    artifacts = [tmp_path / "out" / name for name in names]
    document = validate_alone(resolved, artifacts, processors=processors)
    assert document.not_emulated == {}
    found = {(result.candidate, there.processor): there for result in document.results for there in result.processors}
    assert len(found) == 6
    assert [result.status for result in document.results] == ["passed"] * 3
    lost = found["onnx-int8", "x86-64-v3"]
    assert lost.agreement == "wrong"
    assert lost.remedy is not None
    assert "onnx-int8w7" in lost.remedy
    assert not found["onnx-int8w7", "x86-64-v3"].speaks_against
    assert not found["onnx-int8", "x86-64-v2"].speaks_against, "SSE4.1 has no such kernels"
    assert {found["sdk-native", name].agreement for name in processors} == {"same bits"}
