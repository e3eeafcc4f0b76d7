"""Phase 1: the environment, the samples, and what everything later starts from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgeproof.documents.environment import EnvironmentDocument
from edgeproof.documents.manifest import Manifest, RunOptions
from edgeproof.documents.samples import SamplesDocument
from edgeproof.errors import ModelReferenceError, SamplesError
from edgeproof.model.samples import read_samples
from edgeproof.model.workspace import Workspace
from edgeproof.phases.prepare import limits_of, prepare, workspace_of
from edgeproof.rundir import RunDir

NewRun = Callable[..., RunDir]


def test_phase_1_from_a_reference(tmp_path: Path) -> None:
    file = tmp_path / "phase_one_net.py"
    file.write_text(
        "import numpy as np, torch, edgeproof\n"
        "def make():\n"
        "    x = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)\n"
        "    return edgeproof.Model(torch.nn.Linear(4, 2), samples=edgeproof.Samples({'input': x}))\n"
    )
    manifest = Manifest(
        created="",
        edgeproof="0",
        command="",
        working_directory=str(tmp_path),
        options=RunOptions(
            model=f"{file}:make", model_name="net", sample_count=240, seed=3, candidates=("torchscript-fp32",)
        ),
        phases=(),
    )
    run = RunDir.create(manifest, tmp_path / "run")
    lines: list[str] = []
    document = prepare(run, lines.append)
    assert document.count == 240
    assert [spec.shape for spec in document.signature.inputs] == [(1, 4)]
    assert document.signature.score_output == "output"
    assert run.read(SamplesDocument) == document
    assert run.read(EnvironmentDocument).candidates
    assert len(lines) == 2
    workspace = Workspace(run.root)
    assert [(result.form, result.reason) for result in workspace.prepared.forms] == [("whole", None)]
    assert workspace.reference.is_file()


def test_files_for_people_and_for_the_workers(new_run: NewRun) -> None:
    run = new_run("torchscript-fp32")
    document = prepare(run)
    assert (document.folder, document.held_out.file) == ("rep_samples", "phase3_heldout.npz")
    assert len(list(run.path("rep_samples").glob("*.npy"))) == 211
    read = read_samples(run.path("rep_samples"))
    assert read.labels is not None
    found = Workspace(run.root).read(run.path("rep_samples"))
    assert np.array_equal(found.inputs["x"], read.inputs["input0"])
    assert found.labels is not None
    assert np.array_equal(found.labels, read.labels)
    with np.load(run.path("phase3_heldout.npz"), allow_pickle=False) as archive:
        assert (archive["x"].shape, archive["labels"].shape) == ((80, 1, 6), (80,))


def test_what_is_prepared_is_found_again_and_not_loaded(new_run: NewRun) -> None:
    run = new_run("torchscript-fp32")
    prepare(run)
    stamp = run.path("rep_samples/labels.npy").stat().st_mtime_ns
    (Path(run.manifest().working_directory) / "small.py").unlink()
    assert workspace_of(run).samples == run.read(SamplesDocument)
    assert run.path("rep_samples/labels.npy").stat().st_mtime_ns == stamp


def test_random_input_on_request_only(new_run: NewRun, tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text("import torch\ndef make():\n    return torch.nn.Linear(4, 2)\n")
    run = new_run("torchscript-fp32", inputs=("input:float32[1,4]",))
    manifest = run.manifest()
    bare = msgspec.structs.replace(manifest.options, model=f"{tmp_path}/bare.py:make")
    run.write(msgspec.structs.replace(manifest, options=bare))
    with pytest.raises(SamplesError, match="the model brings no samples"):
        prepare(run)
    asked = msgspec.structs.replace(bare, synthetic=True)
    run.write(msgspec.structs.replace(manifest, options=asked))
    assert prepare(run).synthetic


def test_a_run_s_limits_hold_for_its_model(new_run: NewRun) -> None:
    run = new_run("torchscript-fp32", limit_seconds=77.0, limit_memory_bytes=1 << 30)
    limits = limits_of(run.options())
    assert (limits.seconds, limits.memory_bytes, limits.wall) == (77.0, 1 << 30, 308.0)


def test_a_factory_that_ends_its_process_is_wrong_use(new_run: NewRun, tmp_path: Path) -> None:
    run = new_run("torchscript-fp32")
    (tmp_path / "small.py").write_text("import os\ndef model():\n    os.abort()\n")
    with pytest.raises(ModelReferenceError, match=r"small\.py:model cannot be loaded: .* SIGABRT"):
        prepare(run)
    assert run.has(EnvironmentDocument)
    assert not run.has(SamplesDocument)


def test_a_network_that_never_fires_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "dead_net.py"
    file.write_text(
        "import numpy as np, torch, edgeproof\n"
        "class Dead(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        return (0.01 * x.tanh() > 1).float()\n"
        "def make():\n"
        "    x = np.random.default_rng(0).standard_normal((32, 4)).astype(np.float32)\n"
        "    return edgeproof.Model(Dead(), samples=edgeproof.Samples({'x': x}), spike_outputs=['output'])\n"
    )
    options = RunOptions(model=f"{file}:make", model_name="dead", candidates=("torchscript-fp32",))
    manifest = Manifest(
        created="", edgeproof="0", command="", working_directory=str(tmp_path), options=options, phases=()
    )
    run, lines = RunDir.create(manifest, tmp_path / "run"), list[str]()
    for _ in range(2):
        document = prepare(run, lines.append)
        found = [check for check in document.checks if check.name == "silent"]
        assert [check.detail for check in found] == ["no neuron of the output output fires on any sample"]
        assert run.read(SamplesDocument) == document
    assert any(line.startswith("warning: no neuron of the output output fires") for line in lines)
