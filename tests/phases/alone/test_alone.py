"""Conversion and validation of a real model without a run folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import decode
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.source import ModelSource
from edgeproof.errors import ConversionError, UsageError
from edgeproof.phases.alone.conversion import convert_alone
from edgeproof.phases.alone.validation import validate_alone
from edgeproof.process import Limits

EXAMPLE = str(Path(__file__).parents[3] / "examples" / "digits_cnn.py") + ":model"

pytestmark = pytest.mark.xdist_group("alone")


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> tuple[ConversionDocument, Path]:
    """The digits network in four candidates."""
    pytest.importorskip("sklearn")
    out = tmp_path_factory.mktemp("alone") / "out"
    return convert_alone(
        ModelSource(model=EXAMPLE), ["sdk-eager", "torchscript-fp32", "onnx-fp32", "onnx-int8"], out
    ), out


@pytest.mark.slow
def test_each_candidate_has_a_folder_that_tells_how_it_is_called(converted: tuple[ConversionDocument, Path]) -> None:
    document, out = converted
    assert [candidate.status for candidate in document.candidates] == ["ok"] * 4
    for candidate in document.candidates:
        assert candidate.artifact is not None
        path = Path(candidate.artifact)
        assert path.parent == out / candidate.candidate
        told = decode((path.parent / "artifact.json").read_bytes(), ArtifactDocument)
        assert (told.sha256, told.bytes) == (candidate.sha256, candidate.bytes)
        assert [b.tensor.name for b in (*told.inputs, *told.outputs)] == ["image", "logits"]
    sizes = {candidate.candidate: candidate.bytes or 0 for candidate in document.candidates}
    assert sizes["onnx-int8"] < sizes["onnx-fp32"]
    assert {path.name for path in out.iterdir()} == set(sizes)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_the_converted_the_damaged_and_the_foreign(converted: tuple[ConversionDocument, Path], tmp_path: Path) -> None:
    from edgeproof.model.address import load_model

    document, out = converted
    damaged = tmp_path / "damaged"
    shutil.copytree(out / "onnx-fp32", damaged)
    file = next(damaged.glob("*.onnx"))
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 0x10
    file.write_bytes(bytes(raw))
    foreign = tmp_path / "foreign.onnx"
    torch.onnx.export(
        load_model(EXAMPLE).module,
        (torch.zeros(1, 1, 8, 8),),
        foreign,
        input_names=["data"],
        output_names=["prob"],
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    paths = [*[Path(candidate.artifact or "") for candidate in document.candidates], damaged, foreign]
    found = validate_alone(ModelSource(model=EXAMPLE), paths)
    assert (found.samples, found.sample_source, found.task) == (360, "model", "accuracy")
    assert (found.reference_score or 0) > 0.95
    *made, broken, other = found.results
    for result in made:
        assert (result.status, result.reason) == ("passed", None)
        assert result.differences is not None
        assert (result.differences.relative_l2 or 0) < (0.1 if result.precision == "int8" else 1e-5)
        assert abs(result.task_drop or 0) <= 1
        assert [way.name for way in result.variants] == (["fast-kernels"] if result.candidate == "onnx-int8" else [])
    assert broken.status == "error"
    assert "sha256 differs" in (broken.reason or "")
    assert (other.candidate, other.status) == ("foreign", "passed")
    assert other.task_score == found.reference_score


DENSE = "import torch\ndef make():\n    torch.manual_seed(0)\n    return torch.nn.Linear(4, 2)\n"


def test_without_samples_int8_is_refused_and_the_rest_is_tried_on_random_input(tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(DENSE)
    source = ModelSource(model=f"{tmp_path}/bare.py:make", inputs=("input:float32[1,4]",))
    document = convert_alone(source, ["torchscript-fp32", "onnx-int8"], tmp_path / "out")
    made, refused = document.candidates
    assert made.status == "ok"
    assert (refused.status, refused.remedy) == ("skipped", "give --samples PATH")
    assert "there are none" in (refused.reason or "")


def test_the_log_of_a_failure_is_kept_beside_the_artifacts(tmp_path: Path) -> None:
    (tmp_path / "branching.py").write_text(
        "import torch\nclass Net(torch.nn.Module):\n"
        "    def forward(self, x):\n        return x if x.sum() > 0 else -x\n"
    )
    source = ModelSource(model=f"{tmp_path}/branching.py:Net", inputs=("x:float32[1,4]",))
    document = convert_alone(source, ["onnx-fp32"], tmp_path / "out")
    (candidate,) = document.candidates
    assert candidate.status == "failed"
    assert "branching.py:4: `return x if x.sum() > 0 else -x`" in (candidate.reason or "")


def test_out_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file; expected a folder"):
        convert_alone(ModelSource(model="net.py:make"), ["onnx-fp32"], tmp_path / "file")


def test_a_model_that_does_not_run_on_its_samples_is_said(tmp_path: Path) -> None:
    body = "    def forward(self, x):\n        return self.table(x)\n"
    (tmp_path / "tokens.py").write_text(
        "import numpy as np, torch, edgeproof\nclass Net(torch.nn.Module):\n    def __init__(self):\n"
        f"        super().__init__()\n        self.table = torch.nn.Embedding(5, 3)\n{body}"
        "def make():\n    x = np.arange(240).reshape(60, 4)\n"
        "    return edgeproof.Model(Net(), inputs=['x:int64[1,4]'], samples=edgeproof.Samples({'x': x}))\n"
    )
    with pytest.raises(ConversionError, match="does not run on its samples"):
        validate_alone(ModelSource(model=f"{tmp_path}/tokens.py:make"), [tmp_path / "none.onnx"])


SLEEPS = "import time\ndef make():\n    time.sleep(1000)\n"


def test_a_model_that_hangs_is_given_up_within_its_limits(tmp_path: Path) -> None:
    (tmp_path / "sleeps.py").write_text(SLEEPS)
    source, limits = ModelSource(model=f"{tmp_path}/sleeps.py:make"), Limits(seconds=60, wall_seconds=6)
    with pytest.raises(UsageError, match=r"sleeps\.py:make cannot be loaded: .* by the clock"):
        convert_alone(source, ["onnx-fp32"], tmp_path / "out", limits=limits)
    with pytest.raises(UsageError, match=r"sleeps\.py:make cannot be loaded: .* by the clock"):
        validate_alone(source, [tmp_path / "none.onnx"], limits=limits)
    assert not (tmp_path / "out").exists()
