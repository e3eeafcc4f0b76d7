"""Phase 3, beside the conversion: a spiking model's activity, counted from its exported step, or the reason why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from tests.phases.run_folder import make_run

import edgeproof
from edgeproof.documents.activity import ActivityDocument
from edgeproof.documents.samples import HELD_OUT_FILE, SamplesDocument
from edgeproof.model.spine import export_spine
from edgeproof.model.subject import make_subject
from edgeproof.model.workspace import FormResult, Workspace
from edgeproof.phases.activity.of_run import count_activity
from edgeproof.phases.activity.raster import RASTER, load_raster
from edgeproof.rundir import RunDir

TIMESTEPS = 6


class Cell(torch.nn.Module):
    """Three leaky neurons behind a layer."""

    def __init__(self, extra: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.extra = extra
        self.linear = torch.nn.Linear(4, 3)
        self.register_buffer("mem", torch.zeros(1, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        current = self.linear(x) + 0.6
        charged = self.mem * 0.9 + (torch.erfinv(current / 9) if self.extra else current)
        spikes = (charged > 1).float()
        self.mem = charged - spikes
        return spikes


def spiking_run(root: Path, *, timesteps: int | None = TIMESTEPS, **options: Any) -> RunDir:
    """A run whose signature says that the model spikes."""
    run = make_run(root)
    document = run.read(SamplesDocument)
    signature = msgspec.structs.replace(document.signature, spiking=True, timesteps=timesteps)
    run.write(msgspec.structs.replace(document, signature=signature))
    manifest = run.manifest()
    run.write(msgspec.structs.replace(manifest, options=msgspec.structs.replace(manifest.options, **options)))
    return run


def with_step(run: RunDir, *, extra: bool = False) -> RunDir:
    """The step of a ``Cell``, exported as the conversion leaves it."""
    model = edgeproof.Model(
        Cell(extra), inputs=["x:float32[1,4]"], timesteps=TIMESTEPS, readout="sum", spike_outputs=["output"]
    )
    subject = make_subject(model, model.specs())
    samples = {"x": np.load(run.path(HELD_OUT_FILE))["x"].astype(np.float32)}
    workspace = Workspace(run.root)
    export_spine(subject, "step", samples, workspace.spine("step"), address="cell")
    workspace.note(FormResult(form="step"))
    return run


def test_of_a_dense_model_nothing_is_written(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert count_activity(run) is None
    assert not run.has(ActivityDocument)


@pytest.mark.parametrize(
    ("timesteps", "reason"), [(TIMESTEPS, "sdk-native is one"), (None, "loops over time by itself")]
)
def test_without_a_step_there_is_the_reason(tmp_path: Path, timesteps: int | None, reason: str) -> None:
    run = spiking_run(tmp_path, timesteps=timesteps)
    document = count_activity(run)
    assert document is not None
    assert reason in (document.reason or "")
    written = json.loads(run.path(ActivityDocument.FILE).read_bytes())
    assert written["schema"] == "edgeproof.activity/1"
    assert written["totals"] is None


@pytest.mark.slow
def test_the_step_is_counted_on_held_out_samples(tmp_path: Path) -> None:
    run = with_step(spiking_run(tmp_path))
    document = count_activity(run)
    assert document is not None
    assert document.reason is None
    assert (document.samples, document.timesteps) == (16, TIMESTEPS)
    assert document.sample_source == "held out by the model"
    (layer,), (neurons,) = document.layers, document.neurons
    assert (layer.input_shape, layer.output_shape, layer.dense) == ((4,), (3,), 12 * TIMESTEPS)
    assert neurons.shape == (3,)
    assert neurons.firing_rate is not None
    assert 0 < neurons.firing_rate < 1
    assert document.raster is not None
    with np.load(run.path(HELD_OUT_FILE)) as held_out:
        x, label = held_out["x"][0].astype(np.float32), int(held_out["labels"][0])
    assert (document.raster.sample, document.raster.label) == (0, label)
    cell = Cell(extra=False)
    with torch.no_grad():
        trains = torch.stack([cell(torch.from_numpy(x)) for _ in range(TIMESTEPS)])[:, 0].numpy()
    np.testing.assert_array_equal(load_raster(run, document)[neurons.name], trains != 0)


@pytest.mark.slow
def test_a_step_that_the_engine_does_not_take_gives_its_reason(tmp_path: Path) -> None:
    run = with_step(spiking_run(tmp_path), extra=True)
    document = count_activity(run)
    assert document is not None
    assert "erfinv" in (document.reason or "")
    assert not run.path(RASTER).exists()


def test_counting_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    run = with_step(spiking_run(tmp_path, limit_seconds=0.01))
    document = count_activity(run)
    assert document is not None
    assert (document.reason or "").startswith("the process of counting was stopped after 0 s")
    assert run.read(ActivityDocument) == document


def test_a_step_that_was_not_exported_is_not_counted(tmp_path: Path) -> None:
    run = spiking_run(tmp_path)
    Workspace(run.root).note(FormResult(form="step", reason="no kernel"))
    document = count_activity(run)
    assert document is not None
    assert "no candidate of this run was made from one time step" in (document.reason or "")
