"""A run's Xcode project: what an app can hold is in it, and what is there is not overwritten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.doubles.registered import _misbehaving
from tests.phases.conftest import new_run

from edgeproof.errors import ArtifactError, UsageError
from edgeproof.phases.away.iphone import write_iphone_project
from edgeproof.phases.convert import convert
from edgeproof.phases.prepare import prepare
from edgeproof.rundir import RunDir

__all__ = ["_misbehaving", "new_run"]


@pytest.mark.slow
def test_a_run_with_core_ml_and_an_engine(new_run: Callable[..., RunDir], tmp_path: Path) -> None:
    run = new_run("sdk-native", "coreml-fp16", "torchscript-fp32", timesteps=3)
    prepare(run)
    convert(run)
    out = tmp_path / "app"
    skipped = write_iphone_project(run, out)
    assert list(skipped) == ["torchscript-fp32"]
    assert "neither a Core ML package nor an engine" in skipped["torchscript-fp32"]
    job = json.loads((out / "Resources" / "job.json").read_text())
    found = {one["candidate"]: one for one in job["candidates"]}
    assert set(found) == {"sdk-native", "coreml-fp16"}
    assert (out / "Models" / "coreml-fp16.mlpackage" / "Manifest.json").is_file()
    assert len(list((out / "Packages").iterdir())) == 1
    assert found["coreml-fp16"]["inputs"][0]["shape"] == [1, 6]
    samples = out / "Resources" / found["coreml-fp16"]["samples"]
    assert samples.stat().st_size % (4 * 6) == 0
    assert job["name"] == "small"
    assert write_iphone_project(run, out) == skipped, "a project of ours is replaced"


def test_what_is_there_is_not_overwritten(new_run: Callable[..., RunDir], tmp_path: Path) -> None:
    run = new_run("torchscript-fp32")
    prepare(run)
    convert(run)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="no project of ours"):
        write_iphone_project(run, tmp_path / "mine")
    with pytest.raises(ArtifactError, match="no artifact can be in an app: torchscript-fp32"):
        write_iphone_project(run, tmp_path / "app")
    assert not (tmp_path / "app").exists()
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"
