"""Core ML in phase 3: converted for real, run by the MIL reference check, and never timed by it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.mil import mutations, networks

import edgeproof
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import decode, encode
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.errors import ArtifactError
from edgeproof.formats.registry import open_artifact
from edgeproof.trust import fingerprint

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("coreml")]

CHECK = "the MIL reference check"


def model() -> edgeproof.Model:
    case = networks.build("residual")
    images = np.stack([sample["image"] for sample in networks.samples(case, 40)])
    samples = edgeproof.Samples({"image": images}, None, "seeded images")
    return edgeproof.Model(
        case.module, inputs=["image:float32[1,3,24,24]"], output_names=["logits"], samples=samples, held_out=samples
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coreml")
    document = edgeproof.convert(model(), folder, to=["coreml"], precision=["fp32", "fp16", "int8"])
    assert [candidate.status for candidate in document.candidates] == ["ok"] * 3, document.candidates
    return folder


def validated(folder: Path, *names: str) -> dict[str, ValidationResult]:
    document: ValidationDocument = edgeproof.compare(model(), [folder / name for name in names])
    return {result.candidate: result for result in document.results}


def test_every_precision_is_executed_and_compared(made: Path) -> None:
    results = validated(made, "coreml-fp32", "coreml-fp16", "coreml-int8")
    for name, limit in (("coreml-fp32", 2e-6), ("coreml-fp16", 2e-3), ("coreml-int8", 2e-2)):
        result = results[name]
        assert (result.status, result.checked_by, result.warnings) == ("passed", CHECK, ()), result
        assert result.differences is not None
        assert result.differences.relative_l2 is not None
        assert result.differences.relative_l2 < limit
    variants = {variant.name: variant for variant in results["coreml-fp16"].variants}
    assert list(variants) == ["strict", "unrounded"]
    for variant in variants.values():
        assert variant.warning is None
        assert variant.samples == 32
        assert variant.spread is not None
        assert (variant.spread.relative_l2 or 0) > 1e-5
    assert not results["coreml-fp32"].variants


def tampered(folder: Path, name: str, into: Path, kind: str) -> Path:
    """A copy of an artifact with a fault in it, and an ``artifact.json`` that says it is whole."""
    shutil.copytree(folder / name, into / name)
    document = decode((into / name / "artifact.json").read_bytes(), ArtifactDocument)
    package = into / name / document.file
    data = package / "Data" / "com.apple.CoreML"
    message, weights = data / "model.mlmodel", data / "weights" / "weight.bin"
    clean = mutations.Clean(name, document.precision, message.read_bytes(), weights.read_bytes(), [], None)  # type: ignore[arg-type]
    fault = next(fault for fault in mutations.faults_of(clean) if fault.kind == kind)
    changed = mutations.planted(clean, fault)
    message.write_bytes(changed[0])
    weights.write_bytes(changed[1])
    digest, _ = fingerprint(package)
    replaced = json.loads(encode(document)) | {"sha256": digest}
    (into / name / "artifact.json").write_text(json.dumps(replaced))
    return into


def test_a_fault_fails_or_is_warned_of_and_damage_is_an_error(made: Path, tmp_path: Path) -> None:
    for name in ("coreml-fp32", "coreml-fp16"):
        tampered(made, name, tmp_path, "scale")
    shutil.copytree(made / "coreml-int8", tmp_path / "coreml-int8")
    (weights,) = (tmp_path / "coreml-int8").rglob("weight.bin")
    weights.write_bytes(weights.read_bytes()[:-1])
    results = validated(tmp_path, "coreml-fp32", "coreml-fp16", "coreml-int8")
    for name in ("coreml-fp32", "coreml-fp16"):
        result = results[name]
        assert result.status == "failed" or result.warnings or any(variant.warning for variant in result.variants)
    assert results["coreml-int8"].status == "error"
    assert "its sha256 differs" in (results["coreml-int8"].reason or "")


def test_what_stands_in_for_core_ml_is_not_timed(made: Path) -> None:
    with pytest.raises(ArtifactError, match="whose times say nothing of Core ML"):
        open_artifact(made / "coreml-fp32", timed=True)


def test_a_session_gives_what_the_module_gives(made: Path) -> None:
    case = networks.build("residual")
    with edgeproof.open(made / "coreml-fp32") as session:
        for sample in networks.samples(case, 3, seed=9):
            with torch.no_grad():
                np.testing.assert_allclose(session.run(sample)["logits"], networks.eager(case, sample), atol=1e-5)
