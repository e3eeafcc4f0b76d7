"""The model's own process: each form ends alone, what is finished is kept, what the user's code does harms nobody."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

import edgeproof
from edgeproof.documents.source import ModelSource
from edgeproof.errors import ModelReferenceError, SamplesError, SignatureError
from edgeproof.model.drawing import Draw
from edgeproof.model.preparing import prepare_workspace
from edgeproof.model.resolve import resolve_model
from edgeproof.model.workspace import Workspace
from edgeproof.process import Limits

MODEL = """
import os, pathlib, time, numpy as np, torch, edgeproof

HERE = pathlib.Path(__file__).parent
MARK = HERE / "mark"
with (HERE / "loads").open("a") as loads:
    print(os.getpid(), file=loads)

class Net(torch.nn.Module):
    def forward(self, x):
        {first}
        return torch.relu(x)

def model():
    x = np.random.default_rng(0).standard_normal((24, 4)).astype(np.float32)
    return edgeproof.Model(Net(), inputs=["x:float32[1,4]"], timesteps=3, samples=edgeproof.Samples({{"x": x}}))
"""
ONCE = "if torch.compiler.is_exporting() and not MARK.exists(): MARK.touch(); {what}"
DRAW = Draw(count=8)
ROOMY = Limits(seconds=300)


def net(folder: Path, first: str = "pass") -> ModelSource:
    (folder / "net.py").write_text(MODEL.format(first=first))
    return ModelSource(model=f"{folder}/net.py:model")


def loads(folder: Path) -> list[int]:
    """Numbers of the processes that loaded the model."""
    return [int(line) for line in (folder / "loads").read_text().split()]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "workspace").mkdir()
    return Workspace(tmp_path / "workspace")


def test_all_is_done_in_one_process_that_is_not_this_one(workspace: Workspace, tmp_path: Path) -> None:
    samples = prepare_workspace(workspace, net(tmp_path), draw=DRAW, forms=("whole", "unrolled", "step"), limits=ROOMY)
    (pid,) = loads(tmp_path)
    assert pid != os.getpid()
    assert samples.signature.timesteps == 3
    assert workspace.samples == samples
    assert len(list(workspace.sample_folder.glob("*.npy"))) == samples.count == 8
    prepared = workspace.prepared
    assert (prepared.name, prepared.broken) == ("net", None)
    assert [(result.form, result.reason) for result in prepared.forms] == [("unrolled", None), ("step", None)]
    for result in prepared.forms:
        assert (workspace.spine(result.form) / "spine.json").is_file()
        assert result.seconds > 0
        assert result.max_abs is not None
    assert workspace.held_out == workspace.sample_folder, "one set of samples serves for both and stands there once"
    given = workspace.read(workspace.held_out).inputs
    assert {name: array.shape for name, array in given.items()} == {"x": (8, 1, 4)}
    with np.load(workspace.reference) as found:
        np.testing.assert_allclose(found["output"], 3 * np.maximum(given["x"], 0), rtol=1e-6)
    assert not list(workspace.root.rglob("*held*"))


def test_what_is_done_is_not_done_again_and_the_rest_is(workspace: Workspace, tmp_path: Path) -> None:
    source = net(tmp_path)
    first = prepare_workspace(workspace, source, draw=DRAW, reference=False, limits=ROOMY)
    assert not workspace.reference.exists()
    stamp = (workspace.sample_folder / "sample_0000.npy").stat().st_mtime_ns
    assert prepare_workspace(workspace, source, draw=Draw(count=20, seed=9), reference=False) == first
    assert len(loads(tmp_path)) == 1
    prepare_workspace(workspace, source, draw=DRAW, forms=("step",), limits=ROOMY)
    assert workspace.reference.is_file()
    assert len(loads(tmp_path)) == 2
    prepare_workspace(workspace, source, draw=DRAW, forms=("step",))
    assert len(loads(tmp_path)) == 2
    assert (workspace.sample_folder / "sample_0000.npy").stat().st_mtime_ns == stamp


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "limits", "reason"),
    [
        ("time.sleep(1000)", Limits(seconds=100, wall_seconds=15), "was stopped after 15 s by the clock"),
        ("os.abort()", ROOMY, "was killed by SIGABRT (signal 6)"),
    ],
)
def test_a_form_that_ends_the_process_fails_alone(
    workspace: Workspace, tmp_path: Path, what: str, limits: Limits, reason: str
) -> None:
    prepare_workspace(
        workspace, net(tmp_path, ONCE.format(what=what)), draw=DRAW, forms=("unrolled", "step"), limits=limits
    )
    first, second = workspace.prepared.forms
    assert (first.form, second.form) == ("unrolled", "step")
    assert f"the process of the model {reason}" in (first.reason or "")
    assert "--limit-seconds" in (first.remedy or "")
    assert second.reason is None
    assert (workspace.spine("step") / "spine.json").is_file()
    assert workspace.prepared.failure("unrolled") == first
    assert workspace.prepared.failure("step") is None
    assert workspace.reference.is_file()


AT_THE_SAMPLES = "if (HERE / 'workspace' / 'phase1_samples.json').exists(): {what}"
"""Not before: the signature is made by calling the model too."""


def test_a_model_that_ends_its_process_on_its_samples_is_broken_and_no_form_is_tried(
    workspace: Workspace, tmp_path: Path
) -> None:
    source = net(tmp_path, AT_THE_SAMPLES.format(what="os.abort()"))
    prepare_workspace(workspace, source, draw=DRAW, forms=("unrolled", "step"), limits=ROOMY)
    prepared = workspace.prepared
    assert "was killed by SIGABRT" in (prepared.broken or "")
    assert {result.reason for result in prepared.forms} == {prepared.broken}
    assert not workspace.reference.exists()
    assert len(loads(tmp_path)) == 1


def test_a_model_that_raises_on_its_samples_is_broken_with_its_words(workspace: Workspace, tmp_path: Path) -> None:
    source = net(tmp_path, AT_THE_SAMPLES.format(what="raise ValueError('no kernel for this')"))
    prepare_workspace(workspace, source, draw=DRAW, forms=("step",), limits=ROOMY)
    assert workspace.prepared.broken == "the model raised ValueError: no kernel for this"
    assert workspace.prepared.failure("step") is not None


FACTORIES = """
import os, time, torch
def aborts(): os.abort()
def killed(): os.kill(os.getpid(), 9)
def leaves(): os._exit(3)
def sleeps(): time.sleep(1000)
def spins():
    while True: pass
def raises(): raise RuntimeError("no weights here")
def exits(): raise SystemExit(7)
def none(): return None
def bare(): return torch.nn.Linear(4, 2)
def chatters():
    print("{'value': null}"); os.write(1, b"\\xff\\xfe"); os.write(2, b"{}")
    return torch.nn.Linear(4, 2)
"""


@pytest.fixture
def factories(tmp_path: Path) -> Path:
    (tmp_path / "factories.py").write_text(FACTORIES)
    return tmp_path / "factories.py"


@pytest.mark.parametrize(
    ("name", "limits", "message"),
    [
        ("aborts", ROOMY, "was killed by SIGABRT (signal 6)"),
        ("killed", ROOMY, "was killed by SIGKILL (signal 9), as the system does when memory runs out"),
        ("leaves", ROOMY, "ended with exit code 3"),
        ("sleeps", Limits(seconds=60, wall_seconds=8), "by the clock"),
        ("spins", Limits(seconds=6, wall_seconds=200), "of processor time; the limit is 6 s"),
        ("raises", ROOMY, "the factory raised RuntimeError: no weights here"),
        ("exits", ROOMY, "the factory raised SystemExit: 7"),
        ("none", ROOMY, "the factory returned NoneType"),
    ],
)
def test_a_factory_that_ends_its_process_is_one_error_that_names_it(
    workspace: Workspace, factories: Path, name: str, limits: Limits, message: str
) -> None:
    began = time.monotonic()
    with pytest.raises(ModelReferenceError) as caught:
        prepare_workspace(workspace, ModelSource(model=f"{factories}:{name}"), draw=DRAW, limits=limits)
    assert f"factories.py:{name}" in caught.value.message
    assert message in caught.value.message
    assert caught.value.hint
    assert time.monotonic() - began < 60
    assert not workspace.has_samples


def test_errors_keep_their_kind_and_words_over_the_process(workspace: Workspace, factories: Path) -> None:
    with pytest.raises(SignatureError, match="the model's inputs are unknown") as unknown:
        prepare_workspace(workspace, ModelSource(model=f"{factories}:bare"), draw=DRAW, limits=ROOMY)
    assert "--input NAME:dtype[shape]" in (unknown.value.hint or "")
    source = ModelSource(model=f"{factories}:bare", inputs=("input:float32[1,4]",))
    with pytest.raises(SamplesError, match="the model brings no samples") as none:
        prepare_workspace(workspace, source, draw=Draw(synthetic=False), limits=ROOMY)
    assert "--samples PATH" in (none.value.hint or "")
    assert none.value.exit_code == 2


def test_what_the_user_s_code_prints_is_not_taken_for_an_answer(workspace: Workspace, factories: Path) -> None:
    source = ModelSource(model=f"{factories}:chatters", inputs=("input:float32[1,4]",))
    assert prepare_workspace(workspace, source, draw=DRAW, limits=ROOMY).synthetic
    assert b"{'value': null}" in (workspace.logs / "model.log").read_bytes()


def test_a_module_of_this_process_stays_in_it_and_leaves_its_settings(workspace: Workspace) -> None:
    torch.manual_seed(0)
    model = edgeproof.Model(torch.nn.Linear(4, 2), inputs=["x:float32[1,4]"], name="mine")
    threads, fused = torch.get_num_threads(), torch.backends.mha.get_fastpath_enabled()
    resolved = resolve_model(model)
    processes = psutil.Process().children(recursive=True)
    torch.backends.mha.set_fastpath_enabled(True)
    try:
        prepare_workspace(workspace, resolved, draw=DRAW, forms=("whole", "step"))
        assert torch.backends.mha.get_fastpath_enabled()
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    assert torch.get_num_threads() == threads
    assert [(result.form, result.reason) for result in workspace.prepared.forms] == [("whole", None)]
    assert psutil.Process().children(recursive=True) == processes


def test_a_package_is_looked_for_where_the_source_is_at_home(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of ``package.module:factory`` is resumed from another folder."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / "nets_of_a_test").mkdir(parents=True)
    elsewhere.mkdir()
    (home / "nets_of_a_test" / "net.py").write_text(FACTORIES)
    monkeypatch.chdir(elsewhere)
    source = ModelSource(model="nets_of_a_test.net:bare", inputs=("input:float32[1,4]",), folder=str(home))
    assert prepare_workspace(workspace, source, draw=DRAW, reference=False, limits=ROOMY).count == 8
    with pytest.raises(ModelReferenceError, match="No module named 'nets_of_a_test'"):
        prepare_workspace(
            Workspace(tmp_path / "other"), ModelSource(model="nets_of_a_test.net:bare"), draw=DRAW, limits=ROOMY
        )
