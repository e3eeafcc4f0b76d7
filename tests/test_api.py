"""The Python API, with real converters on a tiny network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import edgeproof
from edgeproof.errors import ArtifactError, ModelReferenceError, RunFolderError, SignatureError, UsageError

X = np.random.default_rng(0).standard_normal((24, 4)).astype(np.float32)
LABELS = np.arange(24) % 3

pytestmark = pytest.mark.xdist_group("api")


def make() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """A network that lives in this process, and what it was converted into."""
    out, said = tmp_path_factory.mktemp("api") / "out", []
    document = edgeproof.convert(
        make(),
        out,
        to=["onnx", "torchscript"],
        precision=["fp32"],
        samples={"input": X, "labels": LABELS},
        report=said.append,
    )
    return document, out, said


def test_the_package_names_its_functions() -> None:
    for name in edgeproof.__all__:
        assert getattr(edgeproof, name) is not None
    assert callable(edgeproof.compare)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        edgeproof.nonsense


def test_load_a_module_takes_its_signature_from_the_samples() -> None:
    with edgeproof.load(make(), samples={"input": X}) as session:
        assert [(spec.name, spec.dtype, spec.shape) for spec in session.inputs] == [("input", "float32", (1, 4))]
        found = session.run({"input": X[:1]})["output"]
    with torch.no_grad():
        np.testing.assert_allclose(found, make()(torch.from_numpy(X[:1])).numpy(), atol=1e-6)


def test_load_a_model_and_a_reference(tmp_path: Path) -> None:
    file = tmp_path / "net_of_test_api.py"
    file.write_text("import torch\ndef model():\n    return torch.nn.Linear(4, 2)\n")
    with edgeproof.load(f"{file}:model", inputs=["input:float32[1,4]"]) as session:
        assert session.outputs[0].shape == (1, 2)
    model = edgeproof.Model(torch.nn.Linear(4, 2), inputs=["x:float32[1,4]"], name="mine")
    assert edgeproof.load(model).subject.name == "mine"


def test_load_refuses_what_it_cannot_know(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="inputs are unknown"):
        edgeproof.load(make())
    with pytest.raises(ModelReferenceError, match="there is no file"):
        edgeproof.load(tmp_path / "gone.pt2")


def test_convert_gives_a_result_per_candidate(made) -> None:
    document, out, said = made
    assert [(candidate.candidate, candidate.status, candidate.form) for candidate in document.candidates] == [
        ("onnx-fp32", "ok", "whole"),
        ("torchscript-fp32", "ok", "whole"),
    ]
    assert all(Path(candidate.artifact or "").is_relative_to(out) for candidate in document.candidates)
    assert said[0] == "loading sequential: samples, eager outputs, exported programs"
    names = {"onnx-fp32", "torchscript-fp32"}
    assert {line.partition(":")[0] for line in said[1:]} == names | {f"converting {name}" for name in names}
    assert sorted(path.name for path in out.iterdir()) == ["onnx-fp32", "torchscript-fp32"]


def test_open_runs_what_convert_made(made) -> None:
    document, _, _ = made
    with edgeproof.load(make(), samples={"input": X}) as eager:
        expected = eager.run({"input": X[:1]})["output"]
    for candidate in document.candidates:
        with edgeproof.open(candidate.artifact) as session:
            assert session.inputs[0].shape == (1, 4)
            np.testing.assert_allclose(session.run({"input": X[:1]})["output"], expected, atol=1e-5)
            with pytest.raises(SignatureError):
                session.run({"input": X[:2]})


def test_compare_holds_artifacts_against_the_model(made) -> None:
    document, _, _ = made
    threads = torch.get_num_threads()
    paths = [candidate.artifact for candidate in document.candidates]
    found = edgeproof.compare(make(), paths, samples={"input": X, "labels": LABELS})
    assert torch.get_num_threads() == threads
    assert (found.samples, found.task) == (24, "accuracy")
    for result in found.results:
        assert (result.status, result.task_drop) == ("passed", 0.0)
        assert result.differences is not None
        assert result.differences.max_abs is not None
        assert result.differences.max_abs < 1e-5


def test_compare_tells_another_model_from_this_one(made) -> None:
    other = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    (result,) = edgeproof.compare(other, made[0].candidates[0].artifact, samples={"input": X}).results
    assert result.status == "failed"
    assert "relative L2" in (result.reason or "")


def test_int8_without_samples_is_skipped_with_the_reason(tmp_path: Path) -> None:
    found = edgeproof.convert(make(), tmp_path / "out", to=["onnx"], precision=["int8"], inputs=["input:float32[1,4]"])
    assert [candidate.status for candidate in found.candidates] == ["skipped"]
    assert "representative samples" in (found.candidates[0].reason or "")


def test_data_dependent_control_flow_is_a_result_and_no_exception(tmp_path: Path) -> None:
    class Branching(torch.nn.Module):
        def forward(self, x):
            return x + 1 if x.sum() > 0 else x - 1

    found = edgeproof.convert(Branching(), tmp_path / "out", to=["onnx"], precision=["fp32"], samples={"x": X})
    assert [candidate.status for candidate in found.candidates] == ["failed"]
    assert "test_api.py" in (found.candidates[0].reason or "")


def test_wrong_use(made, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no candidate onyx"):
        edgeproof.convert(make(), tmp_path, to=["onyx"])
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        edgeproof.convert(make(), tmp_path / "file", to=["onnx"], samples={"input": X})
    with pytest.raises(UsageError, match="no artifact"):
        edgeproof.compare(make(), [], samples={"input": X})
    with pytest.raises(ArtifactError, match="there is no artifact"):
        edgeproof.open(tmp_path / "gone.onnx")


def test_a_run_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelReferenceError, match="needs an address"):
        edgeproof.run(make())  # type: ignore[arg-type]
    (tmp_path / "net.py").write_text("")
    with pytest.raises(UsageError, match="no candidate onnx-int4"):
        edgeproof.run("net.py:model", candidates=["onnx-int4"])
    with pytest.raises(RunFolderError):
        edgeproof.resume(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["net.py"]
