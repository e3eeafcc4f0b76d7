"""Phase 3, second half: artifacts as they come, held against the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.doubles.artifact import write_onnx

from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.base import encode
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.signature import Signature, TensorSpec
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.phases.validation.against import Reference
from edgeproof.phases.validation.artifacts import Validating
from edgeproof.trust import fingerprint

COUNT = 12
WEIGHTS = np.arange(12, dtype=np.float32).reshape(4, 3)


def reference(root: Path, *, names: tuple[str, str] = ("x", "scores"), off: float = 0.0) -> Reference:
    """What ``x @ WEIGHTS`` gives, scaled by ``1 + off``; every label is the class that it predicts."""
    x = np.random.default_rng(0).standard_normal((COUNT, 1, 4)).astype(np.float32)
    outputs = (x @ WEIGHTS) * (1 + off)
    np.savez(root / "held_out.npz", **{names[0]: x})
    signature = Signature(
        inputs=(TensorSpec(name=names[0], dtype="float32", shape=(1, 4)),),
        outputs=(TensorSpec(name=names[1], dtype="float32", shape=(1, 3)),),
        score_output=names[1],
    )
    return Reference(signature, {names[1]: outputs}, outputs[:, 0].argmax(-1), root / "held_out.npz", "model")


def validated(root: Path, artifacts: list[Path], against: Reference) -> ValidationDocument:
    return Validating(against, PolicyValue(), root / "scratch").validate("net.py:make", artifacts)


def alone(root: Path, artifact: Path, against: Reference | None = None) -> ValidationResult:
    (result,) = validated(root, [artifact], against or reference(root)).results
    return result


def documented(folder: Path, **changes: str) -> Path:
    """An artifact with its document; the fields in ``changes`` are false."""
    folder.mkdir()
    file = write_onnx(folder / "tiny.onnx")

    def binding(name: str, size: int) -> Binding:
        spec = TensorSpec(name=name, dtype="float32", shape=(1, size))
        return Binding(tensor=spec, graph_name=name, graph_dtype="float32", graph_shape=(1, size))

    document = ArtifactDocument(
        **{
            "candidate": "onnx-fp32",
            "format": "onnx",
            "precision": "fp32",
            "form": "whole",
            "file": "tiny.onnx",
            "sha256": fingerprint(file)[0],
            "bytes": file.stat().st_size,
            "inputs": (binding("x", 4),),
            "outputs": (binding("scores", 3),),
            **changes,
        }
    )
    (folder / "artifact.json").write_bytes(encode(document))
    return folder


def test_one_that_computes_the_same_passes(tmp_path: Path) -> None:
    document = validated(tmp_path, [documented(tmp_path / "a")], reference(tmp_path))
    assert (document.samples, document.task, document.reference_score) == (COUNT, None, None)
    (result,) = document.results
    assert (result.candidate, result.status, result.reason) == ("onnx-fp32", "passed", None)
    assert (result.format, result.precision, result.form, result.tolerance) == ("onnx", "fp32", "whole", 1e-3)
    assert result.differences is not None
    assert result.differences.argmax_agreement == 1
    assert (result.differences.max_abs or 0) < 1e-5
    assert [output.name for output in result.outputs] == ["scores"]
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("off", "precision", "status"), [(0.05, "fp32", "failed"), (0.05, "int8", "passed"), (0.5, "int8", "failed")]
)
def test_one_that_is_off_is_held_to_its_precision(tmp_path: Path, off: float, precision: str, status: str) -> None:
    result = alone(tmp_path, documented(tmp_path / "a", precision=precision), reference(tmp_path, off=off))
    assert result.status == status
    assert result.differences is not None
    assert result.differences.smallest_passing_tolerance == pytest.approx(off / (1 + off), rel=1e-4)
    assert ("relative L2 difference of output scores" in (result.reason or "")) == (status == "failed")


def test_a_flipped_byte_is_an_error(tmp_path: Path) -> None:
    folder = documented(tmp_path / "a")
    raw = bytearray((folder / "tiny.onnx").read_bytes())
    raw[raw.index(WEIGHTS.tobytes()) + 4 * 5 + 1] ^= 1
    (folder / "tiny.onnx").write_bytes(bytes(raw))
    for path in (folder, folder / "tiny.onnx"):
        result = alone(tmp_path, path)
        assert result.status == "error"
        assert "sha256 differs" in (result.reason or "")
        assert result.differences is None


def test_an_artifact_that_gives_nan_fails(tmp_path: Path) -> None:
    result = alone(tmp_path, write_onnx(tmp_path / "poisoned.onnx", poison=True))
    assert result.status == "failed"
    assert f"scores: {3 * COUNT} values are NaN or Inf" in (result.reason or "")
    assert result.differences is None


def test_an_artifact_from_elsewhere_is_held_by_the_position_of_its_tensors(tmp_path: Path) -> None:
    artifact = write_onnx(tmp_path / "foreign.onnx")
    result = alone(tmp_path, artifact, reference(tmp_path, names=("pixels", "logits")))
    assert (result.candidate, result.status, result.precision, result.tolerance) == (
        "foreign",
        "passed",
        "unknown",
        1e-3,
    )
    assert [output.name for output in result.outputs] == ["logits"]
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda root: root / "gone.onnx", "there is no artifact"),
        (lambda root: write_bytes(root / "net.bin"), "no artifact of a known format"),
        (lambda root: write_bytes(root / "net.onnx"), "cannot open"),
        (lambda root: documented(root / "a", format="nowhere"), "format nowhere, which is not registered"),
        (lambda root: documented(root / "a", file="gone.onnx"), "gone.onnx is not there"),
        (lambda root: write_onnx(root / "wide.onnx", features=5), "it does not run: "),
        (lambda root: write_onnx(root / "more.onnx", classes=7), "the candidate gave [1, 7], the model [1, 3]"),
    ],
)
def test_one_that_cannot_be_held_is_an_error_and_the_others_are_validated(tmp_path: Path, make, reason: str) -> None:  # type: ignore[no-untyped-def]
    good = documented(tmp_path / "good")
    bad, fine = validated(tmp_path, [make(tmp_path), good], reference(tmp_path)).results
    assert (bad.status, fine.status) == ("error", "passed")
    assert reason in (bad.reason or "")


def write_bytes(path: Path) -> Path:
    path.write_bytes(b"garbage" * 50)
    return path
