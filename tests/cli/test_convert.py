"""``convert`` and ``validate`` through the real command line, with real converters on a tiny network."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.cli.calling import Call

from edgeproof.documents.base import decode
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.validation import ValidationDocument

pytestmark = pytest.mark.xdist_group("cli-convert")

FACTORY = """
import numpy as np
import torch
import edgeproof

def _model(net):
    x = np.random.default_rng(1).standard_normal((40, 4)).astype(np.float32)
    samples = edgeproof.Samples({"x": x}, np.arange(40) % 3)
    return edgeproof.Model(net, inputs=["x:float32[1,4]"], samples=samples)

def dense():
    torch.manual_seed(0)
    return _model(torch.nn.Linear(4, 3))

def other():
    torch.manual_seed(1)
    return _model(torch.nn.Linear(4, 3))

class Branching(torch.nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x

def branching():
    return _model(Branching())

class Soft(torch.nn.Module):
    def forward(self, x):
        return torch.softmax(x, -1)

def soft():
    return _model(Soft())

def steps():
    x = np.random.default_rng(1).standard_normal((40, 4)).astype(np.float32)
    net = torch.nn.Linear(4, 3)
    return edgeproof.Model(net, inputs=["x:float32[1,4]"], timesteps=3, samples=edgeproof.Samples({"x": x}))
"""
NAMES = ("sdk-eager", "torchscript-fp32")


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "cli_convert_net.py"
    path.write_text(FACTORY)
    return path


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out") / "artifacts"


def test_convert_then_validate_then_tables(edgeproof: Call, net: Path, out: Path) -> None:
    words = ("convert", f"{net}:dense", "--to", "sdk-eager,torchscript", "--precision", "fp32", "--out", out)
    code, stdout, err = edgeproof(*words, "--quiet", "--json")
    assert (code, err) == (0, "")
    document = decode(stdout, ConversionDocument)
    assert document.model == f"{net}:dense"
    assert [(made.candidate, made.status) for made in document.candidates] == [(name, "ok") for name in NAMES]
    artifacts = [made.artifact for made in document.candidates]
    assert all(Path(artifact or "").is_file() for artifact in artifacts)
    assert sorted(path.name for path in out.iterdir()) == list(NAMES)

    code, stdout, err = edgeproof("validate", f"{net}:dense", *artifacts, "--quiet", "--json")
    assert (code, err) == (0, "")
    validation = decode(stdout, ValidationDocument)
    assert (validation.samples, validation.task) == (40, "accuracy")
    for result in validation.results:
        assert (result.status, result.task_drop) == ("passed", 0.0)
        assert result.differences is not None
        assert (result.differences.max_abs or 0) < 1e-5

    code, stdout, err = edgeproof("validate", f"{net}:other", out / "torchscript-fp32")
    assert code == 1
    told = " ".join(stdout.split())
    assert "torchscript-fp32" in told
    assert "failed" in told
    assert "relative L2" in told
    assert re.fullmatch(r"torchscript-fp32: failed in \d+\.\d s \(1 of 1\)\nvalidate: done in \d+\.\d s\n", err)


def test_a_metric_of_a_model_that_is_a_file(edgeproof: Call, tmp_path: Path) -> None:
    """Named on the command line; what cannot be read or is not there is wrong use."""
    torch.manual_seed(0)
    x = np.random.default_rng(1).standard_normal((40, 4)).astype(np.float32)
    torch.export.save(torch.export.export(torch.nn.Linear(4, 3), (torch.zeros(1, 4),)), tmp_path / "net.pt2")
    np.savez(tmp_path / "test.npz", input=x, labels=np.arange(40) % 3, slices=np.arange(40) // 20)
    model = (tmp_path / "net.pt2", "--samples", tmp_path / "test.npz", "--quiet")
    code, _, _ = edgeproof("convert", *model, "--to", "torchscript", "--out", tmp_path / "out")
    assert code == 0
    validate = ("validate", *model, "--json", tmp_path / "out" / "torchscript-fp32", "--metric")
    code, stdout, _ = edgeproof(*validate, "top_k:k=2")
    assert code == 0
    found = decode(stdout, ValidationDocument)
    assert found.metric is not None
    assert (found.metric.name, found.metric.named, found.metric.arguments) == ("top-2", "top_k:k=2", {"k": 2})
    (result,) = found.results
    assert result.task is not None
    assert (result.task.lost, result.task.gained, result.task.method) == (0, 0, "score interval")
    assert {(slice.kind, slice.name) for slice in result.slices} >= {("slice", "0"), ("slice", "1"), ("class", "2")}
    for words, message in (("top-k:n=2", "takes no n"), ("k=2", "there is no metric"), ("top_k:2", "cannot read")):
        code, _, err = edgeproof(*validate, words)
        assert (code, message in err) == (2, True), err


def test_a_name_of_one_s_own(edgeproof: Call, net: Path, tmp_path: Path) -> None:
    """Files are called so; what no file can be called is wrong use, before anything is done."""
    words = ("convert", f"{net}:dense", "--to", "torchscript", "--quiet", "--out", tmp_path / "out")
    code, _, _ = edgeproof(*words, "--name", "keyword-spotter")
    assert code == 0
    assert (tmp_path / "out/torchscript-fp32/keyword-spotter.pt").is_file()
    for name in ("../net", "", ".hidden", "a" * 61):
        code, _, err = edgeproof(*words, "--name", name)
        assert code == 2
        assert "cannot be the name of a model" in err


def test_other_processors(edgeproof: Call, net: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown one is wrong use; one that cannot be had is told, and leaves what was asked for undone."""
    words = ("validate", f"{net}:dense", out / "torchscript-fp32", "--quiet")
    code, _, err = edgeproof(*words, "--processors", "cortex-a76,i486")
    assert code == 2
    assert "there is no processor i486 to emulate" in err
    monkeypatch.setenv("EDGEPROOF_AARCH64", str(out / "nothing"))
    code, stdout, _ = edgeproof(*words, "--processors", "cortex-a76", "--json")
    assert code == 1
    document = decode(stdout, ValidationDocument)
    assert list(document.not_emulated) == ["cortex-a76"]
    assert document.results[0].status == "passed"


def test_a_conversion_that_fails_is_1_with_its_reason_and_lines_of_progress(
    edgeproof: Call, net: Path, tmp_path: Path
) -> None:
    words = ("convert", f"{net}:branching", "--to", "torchscript", "--out", tmp_path / "out")
    code, stdout, err = edgeproof(*words)
    assert code == 1
    told = " ".join(stdout.split())
    assert "torchscript-fp32 whole failed control flow depends on" in told
    assert re.fullmatch(r"convert: done in \d+\.\d s\n", err)
    code, stdout, _ = edgeproof(*words, "--json")
    assert code == 1
    (result,) = json.loads(stdout)["candidates"]
    assert "return x if x.sum() > 0 else -x" in result["reason"]
    assert "torch.where" in result["remedy"]


def test_a_candidate_that_a_format_refuses_by_design_is_no_failure(edgeproof: Call, net: Path, tmp_path: Path) -> None:
    """The native engine has no softmax: skipped, with its reason. Where nothing else is made, the work failed."""
    words = ("convert", f"{net}:soft", "--precision", "fp32", "--out", tmp_path / "out", "--quiet", "--json")
    code, stdout, _ = edgeproof(*words, "--to", "sdk-native,torchscript")
    assert [result["status"] for result in json.loads(stdout)["candidates"]] == ["skipped", "ok"]
    assert code == 0
    code, stdout, _ = edgeproof(*words, "--to", "sdk-native")
    assert [result["status"] for result in json.loads(stdout)["candidates"]] == ["skipped"]
    assert code == 1


def test_the_other_form_of_a_model_with_time_steps(edgeproof: Call, net: Path, tmp_path: Path) -> None:
    words = ("convert", f"{net}:steps", "--to", "torchscript-step", "--out", tmp_path / "out", "--quiet", "--json")
    code, stdout, _ = edgeproof(*words)
    (result,) = json.loads(stdout)["candidates"]
    assert (code, result["candidate"], result["form"], result["status"]) == (0, "torchscript-fp32-step", "step", "ok")
    words = ("convert", f"{net}:dense", "--to", "torchscript-step", "--out", tmp_path / "none", "--quiet")
    code, _, err = edgeproof(*words)
    assert code == 2
    assert "torchscript-fp32-step: the model has no time steps, so it has one form only" in err
    assert not (tmp_path / "none").exists()


def test_what_is_finished_is_said_in_plain_lines(edgeproof: Call, net: Path, tmp_path: Path) -> None:
    words = ("convert", f"{net}:dense", "--to", "torchscript", "--out", tmp_path / "out")
    code, stdout, err = edgeproof(*words)
    assert code == 0
    heading, row = stdout.splitlines()
    assert heading.split()[0] == "candidate"
    assert row.split()[-1] == str(tmp_path / "out" / "torchscript-fp32" / "cli_convert_net.pt")
    first, last = err.splitlines()
    assert re.fullmatch(r"torchscript-fp32: converted in \d+\.\d s \(1 of 1\)", first)
    assert re.fullmatch(r"convert: done in \d+\.\d s", last)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.full((9, 4), 1e300)}, "samples of x hold values that float32 cannot: they are float64"),
        ({"x": np.ones((9, 4)), "y": np.ones(9)}, "the samples hold x, y; the model's inputs are x"),
        ({"x": np.ones((9, 5))}, "has the shape [5]; the model takes [1, 4]"),
    ],
    ids=["1e300", "an extra key", "another shape"],
)
def test_samples_that_do_not_fit_are_2_for_both(
    edgeproof: Call, net: Path, tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "s.npz", **arrays)
    samples = ("--samples", tmp_path / "s.npz")
    for words in (("convert", f"{net}:dense", "--out", tmp_path / "out"), ("validate", f"{net}:dense", tmp_path)):
        code, stdout, err = edgeproof(*words, *samples, "--quiet")
        assert (code, stdout) == (2, "")
        assert message in err
        assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_a_policy_is_held(edgeproof: Call, net: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("latency = 3\n")
    code, _, err = edgeproof("validate", f"{net}:dense", tmp_path, "--policy", tmp_path / "bad.toml", "--quiet")
    assert code == 2
    assert "unknown key `latency`" in err
