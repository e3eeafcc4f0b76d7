"""Artifacts that were made elsewhere, taken into a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.doubles.artifact import write_onnx

from edgeproof.documents.signature import Signature, TensorSpec
from edgeproof.errors import TrustError, UsageError
from edgeproof.formats.registry import made_here, open_artifact
from edgeproof.phases.conversion.adopted import Adoption, adopt, check_adopted, parse_adopted
from edgeproof.process import Limits


def signature(inputs: tuple[int, ...] = (1, 4), names: tuple[str, str] = ("pixels", "logits")) -> Signature:
    return Signature(
        inputs=(TensorSpec(name=names[0], dtype="float32", shape=inputs),),
        outputs=(TensorSpec(name=names[1], dtype="float32", shape=(1, 3)),),
        score_output=names[1],
    )


def adoption(path: Path, out: Path, *, name: str = "vendor-int8", **changes: tuple[int, ...]) -> Adoption:
    return Adoption(name=name, path=str(path), signature=signature(**changes), out=str(out), trust=False)


def test_it_is_described_copied_and_takes_the_models_names(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "theirs.onnx")
    result = adopt(adoption(path, tmp_path / "out"), Limits(seconds=60))
    assert (result.status, result.format, result.precision, result.reason) == ("ok", "onnx", "int8", None)
    assert result.bytes == path.stat().st_size
    artifact = tmp_path / "out" / "vendor-int8" / "theirs.onnx"
    assert result.artifact == str(artifact)
    assert made_here(artifact.parent)
    with open_artifact(artifact) as session:
        assert [spec.name for spec in (*session.inputs, *session.outputs)] == ["pixels", "logits"]
        assert session.run({"pixels": np.zeros((1, 4), np.float32)})["logits"].shape == (1, 3)
    assert [part.name for part in (tmp_path / "out").iterdir()] == ["vendor-int8"]


def test_weights_in_a_file_of_their_own_come_with_it(tmp_path: Path) -> None:
    model = onnx.load(write_onnx(tmp_path / "whole.onnx"))
    path = tmp_path / "theirs.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="theirs.onnx.data", size_threshold=0)
    result = adopt(adoption(path, tmp_path / "out", name="vendor"), Limits(seconds=60))
    assert (result.status, result.reason) == ("ok", None)
    folder = tmp_path / "out" / "vendor"
    assert {part.name for part in folder.iterdir()} == {"artifact.json", "theirs.onnx", "theirs.onnx.data"}
    (tmp_path / "theirs.onnx.data").unlink()
    with open_artifact(folder) as session:
        assert session.run({"pixels": np.ones((1, 4), np.float32)})["logits"].any()


def test_one_of_other_shapes_is_a_result_with_its_reason(tmp_path: Path) -> None:
    result = adopt(adoption(write_onnx(tmp_path / "theirs.onnx"), tmp_path / "out", inputs=(1, 5)), Limits(seconds=60))
    assert result.status == "failed"
    assert "[1, 4]; the model's pixels is [1, 5]" in (result.reason or "")
    assert not list((tmp_path / "out").glob("*"))


def test_a_damaged_one_is_a_result_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "theirs.onnx"
    path.write_bytes(b"no protobuf at all" * 10)
    result = adopt(adoption(path, tmp_path / "out"), Limits(seconds=60))
    assert (result.status, result.format) == ("failed", "onnx")
    assert (result.reason or "").startswith("it cannot be taken: ")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model.onnx", "expected NAME=PATH"),
        ("=model.onnx", "expected NAME=PATH"),
        ("../up=model.onnx", "expected NAME=PATH"),
        ("onnx-int8=model.onnx", "a candidate that a run makes"),
        ("mine=nothere.onnx", "there is no nothere.onnx"),
        ("mine=readme.txt", "of no known format"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_onnx(tmp_path / "model.onnx")
    (tmp_path / "readme.txt").write_text("no model")
    with pytest.raises(UsageError, match=message):
        check_adopted((word,), trust=False)
    check_adopted(("mine=model.onnx",), trust=False)
    assert parse_adopted(("mine=model.onnx",)) == {"mine": Path("model.onnx")}


def test_code_asks_for_trust(tmp_path: Path) -> None:
    (tmp_path / "engine.so").write_bytes(b"\x7fELF")
    with pytest.raises(TrustError):
        check_adopted((f"mine={tmp_path / 'engine.so'}",), trust=False)
